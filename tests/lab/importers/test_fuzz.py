"""Every format, damaged: refused in words or imported, and nothing else. `fuzz` looks longer."""

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.lab.importers.fuzz import CHAT_FILES, FILES, damaged, imported

ROUNDS = 12
CORPUS = Path(__file__).parents[2] / "data" / "import-corpus.jsonl.gz"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [*CHAT_FILES, *(name for name in FILES if name.startswith("speech ") and "-" not in name)]
)
def test_a_damaged_file_is_refused_in_words_or_imported(tmp_path: Path, name: str) -> None:
    rng, became = Random(name), Counter[str]()
    for round_ in range(ROUNDS):
        data = damaged(rng, name)
        try:
            became[imported(data, name.partition(" ")[0], tmp_path).became] += 1
        except Exception as error:
            raise AssertionError(f"{name}, round {round_}: {data!r}") from error
    assert became["imported"], became


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_earlier_runs_found_is_refused_in_words_or_imported(tmp_path: Path) -> None:
    lines = gzip.decompress(CORPUS.read_bytes()).splitlines()
    assert len(lines) > 100
    for line in lines:
        entry = json.loads(line)
        imported(base64.b64decode(entry["data"]), entry["option"], tmp_path)
