"""What people upheld before, in this room and of this host: kept for half a year, a little of each rule.

Half a year, because the platforms' own terms are of that kind: a suspension is counted from thirty days up, points and
repeat-offender rules run for ninety days to a year, and what is older says little about today's broadcast. A rule may
ask for less (`remember`), never for more.
"""

from collections.abc import Mapping, Sequence

from worker.audit.facts import History
from worker.audit.numbers import whole
from worker.audit.room import Room

REMEMBERED_MS = 180 * 24 * 3_600_000
PER_RULE_MAX = 8  # as many as a ladder has steps
RULES_MAX = 64


def upheld_here(history: History, rule: str, at_ms: int) -> History:
    """The history after a person upheld a violation of `rule` in this room; times that no longer count are dropped."""
    room = recent(history.room, at_ms)
    return History(_bounded({**room, rule: [*room.get(rule, ()), at_ms]}), history.host)


def of_host(history: History, upheld: Sequence[tuple[str, int]], at_ms: int) -> History:
    """The history after the registry has told all it knows of the host: (rule, when) of each."""
    by_rule: dict[str, list[int]] = {}
    for rule, when_ms in upheld:
        by_rule.setdefault(rule, []).append(when_ms)
    return History(history.room, _bounded(recent(by_rule, at_ms)))


def count(history: History, rule: str, now_ms: int, within_ms: int = REMEMBERED_MS) -> int:
    """How often a violation of `rule` was upheld within the last `within_ms`. What the registry says of the host holds
    this room's own too, sooner or later: the larger of both counts."""
    since_ms = now_ms - within_ms
    return max(whole(at_ms > since_ms for at_ms in side.get(rule, ())) for side in (history.room, history.host))


def recent(side: Mapping[str, Sequence[int]], now_ms: int) -> dict[str, list[int]]:
    """What is not older than half a year, in order of time; rules of which nothing is left are gone."""
    kept = {rule: sorted(at for at in times if at > now_ms - REMEMBERED_MS) for rule, times in side.items()}
    return {rule: times for rule, times in kept.items() if times}


def _bounded(side: dict[str, list[int]]) -> dict[str, list[int]]:
    newest = sorted(side, key=lambda rule: (side[rule][-1], rule))[-RULES_MAX:]
    return {rule: sorted(side[rule])[-PER_RULE_MAX:] for rule in sorted(newest)}


def kept_until_ms(room: Room) -> int:
    """Event time until which a room in which nothing happens must be kept: people may still decide about what was
    opened in it (half a year, as DSA Art. 20 wants complaints to be heard), and what they upheld counts. 0: no longer
    than any room."""
    past = room.facts.history
    times = [at for side in (past.room, past.host) for upheld in side.values() for at in upheld]
    if room.episodes:
        times.append(room.max_at_ms)
    return max(times) + REMEMBERED_MS if times else 0
