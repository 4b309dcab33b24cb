"""One way to import a made-up recording."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.importers.made_up import Imported, Importer
from worker.lab.importers import Job, import_recording


@pytest.fixture
def run(tmp_path: Path) -> Importer:
    """`run(chat=..., speech=..., **job)`: text or bytes in, the imported room out."""

    def importer(chat: str | bytes | None = None, speech: str | bytes | None = None, **job: Any) -> Imported:
        def saved(name: str, content: str | bytes | None) -> Path | None:
            if content is None:
                return None
            path = tmp_path / name
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            return path

        salt = saved("salt", "a salt of at least sixteen bytes")
        out = tmp_path / "room.jsonl"
        job = {"salt": salt, "out": out} | job
        summary = import_recording(Job(chat=saved("chat", chat), speech=saved("speech", speech), **job))
        text = out.read_text()
        return Imported([json.loads(line) for line in text.splitlines()], summary, text)

    return importer
