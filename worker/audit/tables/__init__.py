"""Calibration tables, a module a version; the last line says which is in force. A version is never edited: what has
been judged by it must be recomputable.

They are modules and not files to read, because the core reads nothing: a table is then as much a part of what judged a
room as the code is, and replay under the same code cannot pick another one.

`unicode_14` holds what `audit.characters` knows of characters; `scripts/unicode_tables.py` writes it.
"""

from worker.audit.tables.provisional_2026_11 import HUMAN_SCORES, VERSION

__all__ = ["HUMAN_SCORES", "VERSION"]
