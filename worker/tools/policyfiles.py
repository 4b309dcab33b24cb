"""Policy files on disk: which they are, their texts, and the book they make."""

from collections.abc import Iterable
from pathlib import Path

from worker.policy.book import PolicyBook
from worker.policy.load import load_policies
from worker.resources import POLICIES_DIR


def read_texts(paths: Iterable[Path] = (POLICIES_DIR,)) -> dict[str, str]:
    """Name → text of policy files; a directory stands for the .yaml files in it (default: those that ship).

    Raises FileNotFoundError when there is none, ValueError when a file is not UTF-8; the message says which.
    """
    chosen = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not chosen:
        raise FileNotFoundError(f"no policy file (*.yaml) in {', '.join(map(str, paths))}")
    texts = {}
    for file in chosen:
        name = file.name if file.parent == POLICIES_DIR else str(file)
        try:
            texts[name] = file.read_text("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{file} is not UTF-8 text") from None
    return texts


def read_policies(directory: Path = POLICIES_DIR) -> PolicyBook:
    """The policies in the YAML files of `directory` (default: those that ship).

    Raises PolicyErrors with every problem found; as `read_texts`.
    """
    return load_policies(read_texts([directory]))
