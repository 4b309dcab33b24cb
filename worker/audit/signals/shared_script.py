"""`shared_script`: another live room says the same, without permission.

A room sketches what was said in a block (`audit.sketch`) and tells the sketch's keys with its identities, kind
`script`. Value is what the identity agent has found and written into this room's log (`fleet.matched`); it holds while
the keys are among those of the last two blocks. A stratum for reviewers: sellers of one product share a script, so it
bets in no family. Abstains: the agent has found no match; a block with fewer than about 200 different runs of letters
has no keys. Two who read one script at different places of it match only where their blocks overlap by three quarters,
unless it repeats within a block. Evasion: paraphrase. Cost: 14 µs a segment (reading its bigrams takes 16).
"""

from worker.audit import sketch
from worker.audit.room import Room
from worker.audit.signals import concurrency
from worker.audit.sketch import Sketch
from worker.audit.text import Words

KINDS = frozenset({"script"})


def hear(room: Room, spoken: list[Words]) -> None:
    """Fold one pane's speech into the sketch of the open block."""
    if room.sketch is None:
        room.sketch = Sketch()
    sketch.hear(room.sketch, spoken)


def close(room: Room) -> None:
    """The block closes: its keys are told with the room's identities from now on, for two blocks."""
    if room.sketch is not None:
        sketch.close(room.sketch)
        if not room.sketch.latest and not room.sketch.before:
            room.sketch = None


def value(room: Room) -> float | None:
    """1 when a script is shared without permission, 0 when with it; None when none is known to be."""
    return concurrency.value(room, KINDS)
