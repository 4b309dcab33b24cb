"""Damaged transcripts of every format: refused in words, or imported; nothing else, and in bounded time.

`TRANSCRIPT_FUZZ_ROUNDS=2000 pytest tests/lab/importers/test_transcript_fuzz.py` looks longer than the default, and
`TRANSCRIPT_FUZZ_SEED` begins elsewhere.
"""

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.lab.importers.transcript_samples import SAMPLES
from tests.support.mutate import mutated
from worker.lab.importers import ImportRefusedError, Limits
from worker.lab.importers.formats import read_speech
from worker.lab.importers.recording import Ledger
from worker.lab.importers.roomlog import align_speech

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("TRANSCRIPT_FUZZ_ROUNDS", "60"))
SEED = os.environ.get("TRANSCRIPT_FUZZ_SEED", "0")
LINES = [(n * 3_000 + 200, n * 3_000 + 2_500, f"看这件{'一二三四五六七八'[n]}。") for n in range(8)]
FILES = {f"{name}-{n}": writer(LINES).encode() for name, writers in SAMPLES.items() for n, writer in enumerate(writers)}


@pytest.mark.timeout(1_000)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_transcript_is_refused_in_words_or_read(tmp_path: Path, name: str) -> None:
    rng, others, path = Random(f"{SEED} {name}"), list(FILES.values()), tmp_path / "speech"
    became: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        damaged = mutated(rng, FILES[name], others)
        path.write_bytes(damaged)
        ledger = Ledger(Limits(bad_ratio=0.5))
        try:
            _, segments = read_speech(path, "auto", ledger, lambda _: None)
            speech = align_speech(segments, 0, ledger)
        except ImportRefusedError as refused:
            assert len(str(refused)) > 10
            became["refused"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{name}, round {round_}: {damaged!r}") from error
        became["imported"] += 1
        for segment in speech:
            assert 0 <= segment.start_ms <= segment.end_ms
            assert segment.confidence is None or 0 <= segment.confidence <= 1
            segment.text.encode()
    assert became["imported"], became


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "filling", ['{"', '{"a":', "[", '"', '\\"', '{"start":1', '{"text":"\\', "nan,", "[{'a':", '{"start":"', "}]", ","]
)
@pytest.mark.parametrize("head", ['{"segments":[{"start":1,"end":2,"text":"a"},', "[", '{"transcription":[', ""])
def test_a_hostile_transcript_is_read_in_linear_time(tmp_path: Path, head: str, filling: str) -> None:
    path = tmp_path / "speech"
    path.write_text(head + filling * (400_000 // len(filling)))
    try:
        read_speech(path, "auto", Ledger(Limits(bad_ratio=1.0)), lambda _: None)
    except ImportRefusedError as refused:
        assert len(str(refused)) < 2_000
