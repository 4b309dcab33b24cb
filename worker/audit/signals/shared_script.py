"""`shared_script`: another live room says the same, without permission.

What the identity agent has found and written into this room's log (`fleet.matched`, kind `script`). A stratum for
reviewers: sellers of one product share a script, so it bets in no family. Abstains: the agent has found no match.
Evasion: paraphrase. Cost: one look at the matches, at most 16.
"""

from worker.audit.room import Room
from worker.audit.signals import concurrency

KINDS = frozenset({"script"})


def value(room: Room) -> float | None:
    """1 when a script is shared without permission, 0 when with it; None when none is known to be."""
    return concurrency.value(room, KINDS)
