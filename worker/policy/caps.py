"""Caps: how many decisions of a rule may ask for something, in an hour or a day, before the others are parked.

Counted are live decisions that recommend actions, in the order of the log, **for each partition of the room log
apart**: what is parked is then a function of that partition's log alone, whoever reads it and however often. With 12
partitions, `per_day: 100` lets at most 1,200 a day through.

Hours and days are those of event time (UTC). Rooms' clocks differ, so a window begins with the first counted decision
that falls into it, and never goes back: a decision with an older time counts in the present window.
"""

from msgspec import Struct
from msgspec.structs import replace

from worker.audit.room import Room
from worker.policy.model import Decision, Withheld

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Window(Struct, array_like=True):
    """The present hour and day of one rule (number since 1970), how many decisions went through in each, and until
    when (event time) it has been full since it last parked one."""

    hour: int = 0
    in_hour: int = 0
    day: int = 0
    in_day: int = 0
    full_until_ms: int = 0


class Verdict(Struct, array_like=True, frozen=True):
    """What was decided about one record, and at which offset of the room log."""

    offset: int
    parked: bool


class Ledger(Struct, array_like=True):
    """What one partition's caps remember; it is part of the partition's state.

    Verdicts are kept until their offsets are committed: a record that is judged again, because the worker stopped
    between two commits, gets the verdict that it had and is not counted twice.
    """

    windows: dict[str, Window] = {}
    verdicts: dict[str, Verdict] = {}  # by violation id

    def parks(self, decision: Decision, offset: int) -> bool:
        """Whether a decision that `is_capped` must be parked; counts it if not."""
        verdict = self.verdicts.get(decision.violation_id)
        if verdict is None:
            verdict = self.verdicts[decision.violation_id] = Verdict(offset, not self._counted(decision))
        return verdict.parked

    def _counted(self, decision: Decision) -> bool:
        caps, now_ms = decision.rule.caps, decision.decided_at_ms
        window = self.windows.setdefault(decision.rule.id, Window())
        if now_ms // HOUR_MS > window.hour:
            window.hour, window.in_hour = now_ms // HOUR_MS, 0
        if now_ms // DAY_MS > window.day:
            window.day, window.in_day = now_ms // DAY_MS, 0
        if _full(window.in_day, caps.per_day):
            window.full_until_ms = (window.day + 1) * DAY_MS
            return False
        if _full(window.in_hour, caps.per_hour):
            window.full_until_ms = (window.hour + 1) * HOUR_MS
            return False
        window.full_until_ms = 0
        window.in_hour += 1
        window.in_day += 1
        return True

    def reached(self, now_ms: int) -> list[str]:
        """Rules that park at event time `now_ms`."""
        return [rule for rule, window in list(self.windows.items()) if window.full_until_ms > now_ms]

    def forget_below(self, offset: int) -> None:
        """Drops verdicts about records that cannot be judged again."""
        done = [name for name, verdict in self.verdicts.items() if verdict.offset < offset]
        for name in done:
            del self.verdicts[name]


def _full(count: int, cap: int | None) -> bool:
    return cap is not None and count >= cap


def is_capped(decision: Decision) -> bool:
    """Whether a decision counts against a cap: it asks for something by itself, and its rule has one."""
    caps = decision.rule.caps
    return bool(decision.actions) and not decision.released and (caps.per_hour or caps.per_day) is not None


def park(room: Room, decision: Decision) -> Decision:
    """The decision with all that it asks for held back; the episode remembers, so that a person may release it."""
    episode = room.episodes.get(decision.rule.id)
    if episode is not None:
        episode.parked = decision.violation_id
    held = tuple(Withheld(action.action, "cap") for action in decision.actions)
    return replace(decision, kind="parked", actions=(), withheld=decision.withheld + held)
