"""`shared_script`: another live room says the same, without permission.

A room sketches what was said in five minutes (`audit.sketch`) and tells the sketch's keys with its identities, kind
`script`. Value is what the identity agent has found and written into this room's log (`fleet.matched`); it holds while
the keys are among those of the last two spans. A stratum for reviewers: sellers of one product share a script, so it
bets in no family. Abstains: the agent has found no match; a span with fewer than about 200 different runs of letters
has no keys. Two who read one script at different places of it match only where their spans overlap by three quarters,
unless it repeats within a span. Evasion: paraphrase. Cost: 14 µs a segment (reading its bigrams takes 16).
"""

from worker.audit import sketch
from worker.audit.room import Room
from worker.audit.signals import concurrency
from worker.audit.sketch import Sketch
from worker.audit.text import Words

KINDS = frozenset({"script"})


def hear(room: Room, spoken: list[Words], at_ms: int) -> None:
    """Fold the speech of a pane that begins at `at_ms` into the sketch of the open span."""
    if room.session.sketch is None:
        room.session.sketch = Sketch(span=at_ms // sketch.SPAN_MS)
    sketch.hear(room.session.sketch, spoken)


def close(room: Room, until_ms: int) -> bool:
    """Close the spans that end by `until_ms`: keys are told with the room's identities from then on, for two spans.

    Returns whether there was any.
    """
    sketched, span = room.session.sketch, until_ms // sketch.SPAN_MS
    if sketched is None or sketched.span >= span:
        return False
    for _ in range(min(span - sketched.span, sketch.SPANS + 1)):
        sketch.close(sketched)
    sketched.span = span
    if not sketched.latest and not sketched.before:
        room.session.sketch = None
    return True


def value(room: Room) -> float | None:
    """1 when a script is shared without permission, 0 when with it; None when none is known to be."""
    return concurrency.value(room, KINDS)
