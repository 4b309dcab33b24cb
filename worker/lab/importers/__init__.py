"""Recordings of real rooms become room logs that `stream-audit replay` judges.

`formats` finds the reader; each reader (`youtube`, `danmaku`, `twitch`; `captions`, `whisper`) turns its
file into items at offsets from the recording's start; `roomlog` turns those into events, with keyed hashes
in place of ids. What cannot be expressed is counted in a `Ledger`, never lost in silence. All bounds stand
in `limits`.
"""

from worker.lab.importers.job import Job, Summary, import_recording
from worker.lab.importers.limits import ImportRefusedError, Limits

__all__ = ["ImportRefusedError", "Job", "Limits", "Summary", "import_recording"]
