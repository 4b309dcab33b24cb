"""Make docs/IMPORT.md: what each format tells, as seen by importing a sample of it.

    python -m tests.lab.importers.import_doc

The tables are made of the samples of `chat_samples`, `subtitle_samples` and `transcript_samples`, the words around
them are here.
"""

import tempfile
from pathlib import Path

from tests.lab.importers.chat_samples import CHATS
from tests.lab.importers.fuzz import LINES
from tests.lab.importers.made_up import srt_cue
from tests.lab.importers.subtitle_samples import ALL
from tests.lab.importers.transcript_samples import SAMPLES
from worker.lab.importers import Job, Summary, import_recording
from worker.lab.importers.catalogue import FORMATS, Format

DOCUMENT = Path(__file__).parents[3] / "docs" / "IMPORT.md"
MADE_BY = "<!-- made by: python -m tests.lab.importers.import_doc -->"
MESSAGES = 60
EVENTS = {
    "viewer.comment": "comments", "viewer.gift": "gifts", "viewer.joined": "visits", "viewer.liked": "likes",
    "viewer.followed": "follows", "viewer.shared": "shares", "viewer.order": "orders", "host.reply": "written replies",
}  # fmt: skip
UNTIMED, UNKNOWN = "2026-01-01 UTC", "author unknown"

HEAD = """# Recordings of real rooms

`stream-audit import` turns what a recorder wrote of a live room into a room log.
`stream-audit replay` then judges that log.
Chat and speech are files of their own, and either is enough.

    stream-audit import --chat live.xml --speech live.srt --selling -o room.jsonl.zst
    stream-audit replay room.jsonl.zst --rooms

The format is known by what the file holds, not by its name.
`--chat-format` and `--speech-format` overrule that.
`stream-audit import --formats` prints the lists below.

## Parts of one broadcast

Recorders begin a new file every half hour, and whenever they connect again.
Give each part as another `--chat`, or give a folder or a pattern in quotes.
Parts are joined by when each began.
What lies between two parts was not recorded.
No heartbeat is written for it, so it is neither silence nor a break.
A message in both of two parts counts once.
Parts of different rooms are refused, and so are parts more than ten minutes apart that do not name one broadcast.
A file of speech has no date, so each takes its start from the `--chat` in the same place, or from its name.

## What is repaired, and what is refused

One bad entry costs itself.
Broken bytes, forbidden characters and half characters become U+FFFD and are counted.
An entry that cannot be read is counted with its line.
The file is refused when more than 5 % of its entries are unreadable (`--max-bad-percent`).
Encodings are UTF-8, UTF-16 and UTF-32 with and without mark, GB18030, and what an XML file declares.

## Long chats

A chat may have any length: its messages lie in temporary files, and about 80 bytes of each stay in memory.
`--max-chat-mb` and `--max-items` bound what is read, and both can be raised.
`python -m tests.bench.imports` measures speed and memory.

## Which time counts

A message is placed by when it was sent, if the file says so and the clocks in the file agree.
A clock that stood still, jumped or began again gives way to the other one.
One wrong time among many right ones is replaced, and counted.
A log of arrivals says so in a note: replies look later than they were.
Messages without any time are placed beside those before them, and a file without any time is refused.
Local times without a zone are taken for Beijing's.

## Who is who

Ids of people become keyed hashes, and names go no further.
Where a file has no ids, people are told apart by name.
Where it has no names, each message is by a viewer of its own.
Give `--salt-file` to have the same hashes each time.

"""
CHAT_HEAD = "| format | written by | times | in the sample | cannot tell |\n| --- | --- | --- | --- | --- |\n"
SPEECH_HEAD = "| format | written by | times | confidence | cannot tell |\n| --- | --- | --- | --- | --- |\n"
NOT_READ = """## What is not read, and why

- Plain text without times, SenseVoice's text without sentences, and chats whose messages have no time at all.
  No one can tell from them how soon a host answers.
- CapCut drafts of version 6 and later: they are encrypted.
  Export the subtitles as SRT.
- Curves by the minute of sellers' consoles: they count people, not what they do.
- The comments on an uploaded video: they were written on different days.
"""


def summary_of(row: Format, text: str, folder: Path) -> Summary:
    """What an import of `text` says."""
    path = folder / row.option
    path.write_text(text, encoding="utf-8")
    out = folder / "room.jsonl"
    job = Job(chat=path, out=out) if row.option == "chat" else Job(speech=path, out=out)
    return import_recording(job)


def sample_of(row: Format) -> str:
    """A sample of the format; KeyError if there is none."""
    if row.option == "chat":
        return CHATS[row.name](MESSAGES)
    if row.name in ("srt", "webvtt"):
        cues = "".join(srt_cue(n, f"00:00:0{n},000", f"00:00:0{n},900", f"第{n}句") for n in range(1, 9))
        return cues if row.name == "srt" else "WEBVTT\n\n" + cues.replace(",", ".")
    return ALL[row.name] if row.name in ALL else SAMPLES[row.name][0](LINES)


def cells(row: Format, summary: Summary, log: str) -> list[str]:
    """The row of the table."""
    told = [name for event, name in EVENTS.items() if event in summary.events]
    if any(UNKNOWN in reason for reason in summary.changed):
        told.append("no one's name")
    if any(UNTIMED in warning for warning in summary.warnings) and row.option == "chat":
        told.append("no date")
    found = ", ".join(told) if row.option == "chat" else "yes" if '"confidence"' in log else "no"
    return [f"`{row.name}`", row.writers, row.times, found, row.lacks or "nothing of these"]


def document() -> str:
    """The whole document."""
    tables: dict[str, str] = {"chat": CHAT_HEAD, "speech": SPEECH_HEAD}
    with tempfile.TemporaryDirectory() as place:
        for row in FORMATS:
            summary = summary_of(row, sample_of(row), Path(place))
            assert summary.formats == {row.option: row.name}, (row.name, summary.formats)
            log = (Path(place) / "room.jsonl").read_text(encoding="utf-8")
            fields = [field.replace(";", ",") for field in cells(row, summary, log)]
            tables[row.option] += f"| {' | '.join(fields)} |\n"
    return (
        f"{HEAD}## Chats (`--chat`)\n\n{MADE_BY}\n{tables['chat']}<!-- end -->\n\n"
        f"## Speech (`--speech`)\n\n{MADE_BY}\n{tables['speech']}<!-- end -->\n\n{NOT_READ}"
    )


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
