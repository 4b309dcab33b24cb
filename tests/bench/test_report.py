"""The document says which of its sections are measured by `make bench` and which are remarks."""

import json
from pathlib import Path

from tests.bench.report import write

MACHINE = {"cpu": "c", "cores": 2, "python": "3.11", "kafka": "4.1.1", "libraries": {}, "on": "2026-11-30"}


def test_remarks_are_named_as_such_and_parts_by_their_command(tmp_path: Path) -> None:
    rounds = [{"events_per_s": 1_000.0, "cpu_s_per_million": 9.0, "rss_mb": 99.0}]
    results = {"events": 5, "file_mb": 1.0, "rounds": rounds}
    part = {"machine": MACHINE, "command": "python -m tests.bench replay", "results": results}
    (tmp_path / "replay.json").write_text(json.dumps(part))
    out = tmp_path / "B.md"
    write(tmp_path, out)
    assert "remarks" not in out.read_text()
    (tmp_path / "B.remarks.md").write_text("## Memory\n\nBy hand.\n\n## Rules\n")
    write(tmp_path, out)
    text = out.read_text()
    assert "remarks, written by hand (*Memory*, *Rules*)" in text
    assert "| 5 | 1 | 1 | 1,000 | 9.00 | 99 |" in text
    assert "Made by `python -m tests.bench replay`, 2026-11-30." in text
