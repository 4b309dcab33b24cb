"""docs/IMPORT.md says what an import does."""

from tests.lab.importers.import_doc import DOCUMENT, document


def test_the_document_is_what_the_samples_give() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.lab.importers.import_doc"
