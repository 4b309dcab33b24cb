"""Look for files on which an import fails otherwise than in words, or takes too long.

    python -m tests.lab.importers.fuzz [--minutes 60] [--seed 0] [--keep build/import-fuzz]

Small files of every format are damaged, spliced into each other and imported. What fails is written to the folder
at once, with its traceback, and the command ends with code 1. What an import has said of no file before is kept as
the corpus, in `corpus.jsonl.gz` of that folder; `tests/data/import-corpus.jsonl.gz` is such a file, and the suite
imports all of it.
"""

import argparse
import base64
import gzip
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random

from tests.lab.importers.chat_samples import CHATS
from tests.lab.importers.subtitle_samples import ALL
from tests.lab.importers.transcript_samples import SAMPLES
from tests.support.mutate import mutated
from worker.lab.importers import ImportRefusedError, Job, Limits, import_recording

LINES = [(n * 3_000 + 200, n * 3_000 + 2_500, f"看这件{'一二三四五六七八'[n]}。") for n in range(8)]
MESSAGES = 12
SLOW_S = 10.0
CORPUS_MAX, FILE_MAX = 400, 6_000
ENCODINGS = ("utf-8",) * 6 + ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030")

CHAT_FILES = {f"chat {name}": write(MESSAGES) for name, write in CHATS.items()}
SPEECH_FILES = {f"speech {name}": text for name, text in ALL.items()} | {
    f"speech {name}-{n}": write(LINES) for name, writers in SAMPLES.items() for n, write in enumerate(writers)
}
FILES = CHAT_FILES | SPEECH_FILES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: "imported" or "refused", and what the import said of it, without numbers and names."""

    became: str
    said: frozenset[str]
    seconds: float


def imported(data: bytes, option: str, folder: Path) -> Outcome:
    """Import `data` alone. Raises whatever an import must not raise."""
    path, out = folder / option, folder / "room.jsonl"
    path.write_bytes(data)
    started = time.perf_counter()
    limits = Limits(bad_ratio=0.5)
    job = Job(chat=path, out=out, limits=limits) if option == "chat" else Job(speech=path, out=out, limits=limits)
    try:
        summary = import_recording(job)
    except ImportRefusedError as refused:
        why = str(refused).replace(str(path), "")
        assert len(why) > 10
        said = {"".join(char for char in why[:60] if char.isalpha() or char == " ")}
        return Outcome("refused", frozenset(said), time.perf_counter() - started)
    said = {*summary.dropped, *summary.changed, *summary.formats.values(), *(w[:20] for w in summary.warnings)}
    return Outcome("imported", frozenset(said), time.perf_counter() - started)


def damaged(rng: Random, name: str) -> bytes:
    """The file of that name with a few wounds, in some encoding."""
    others = [text.encode() for text in rng.sample(list(FILES.values()), 3)]
    return mutated(rng, FILES[name].encode(rng.choice(ENCODINGS), "replace"), others)


def main() -> int:
    """Fuzz until the time is over. The exit code is 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--keep", type=Path, default=Path("build/import-fuzz"))
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    rng, until, names = Random(given.seed), time.monotonic() + given.minutes * 60, list(FILES)
    became, seen, corpus, failed = Counter[str](), set[frozenset[str]](), list[str](), 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as place:
        while time.monotonic() < until:
            name = rng.choice(names)
            data, option = damaged(rng, name), name.partition(" ")[0]
            try:
                outcome = imported(data, option, Path(place))
                if outcome.seconds > SLOW_S:
                    raise TimeoutError(f"{outcome.seconds:.1f} s")
            except Exception:
                failed += 1
                file = given.keep / f"failed-{blake2b(data, digest_size=6).hexdigest()}"
                file.write_bytes(data)
                file.with_suffix(".txt").write_text(f"{name}\n{traceback.format_exc()}")
                became["failed"] += 1
                continue
            became[outcome.became] += 1
            slowest = max(slowest, outcome.seconds)
            if outcome.said not in seen and len(corpus) < CORPUS_MAX and len(data) <= FILE_MAX:
                seen.add(outcome.said)
                corpus.append(json.dumps({"option": option, "of": name, "data": base64.b64encode(data).decode()}))
    with gzip.GzipFile(given.keep / "corpus.jsonl.gz", "wb", mtime=0) as out:
        out.write("".join(f"{line}\n" for line in corpus).encode())
    print(f"{sum(became.values()):,} files: {dict(became)}, {len(corpus)} kept, slowest {slowest:.2f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
