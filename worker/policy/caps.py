"""Caps and pauses: how many decisions of a rule may ask for something before the others are parked.

A **cap** bounds how many go through in an hour or a day. A **pause** stops a rule that floods: it opens in more rooms
within ten minutes than `rooms`, and in more than `times` the mean of its own last day. A paused rule parks all it asks
for until ten minutes have passed in which it would not have flooded, or until another version of its policy holds.

Counted are live decisions that recommend actions, in the order of the log, **for each partition of the room log
apart**: what is parked is then a function of that partition's log alone, whoever reads it and however often. Counts
over all partitions would need one order of all partitions, which a log does not have. With 12 partitions,
`per_day: 100` lets at most 1,200 a day through.

Hours, days and ten minutes are those of partition time (UTC): the latest append time of the partition's records. No
producer can bend it, and it never goes back.
"""

from msgspec import Struct
from msgspec.structs import replace

from worker.audit.episode import Episode
from worker.audit.numbers import power
from worker.policy.model import Decision, Pause, Withheld

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SLOT_MS = 600_000
SLOTS = DAY_MS // SLOT_MS
WINDOWS_MAX = 4_096
PARKED_MAX = 4  # ids by which a parked step may be released


class Window(Struct, array_like=True):
    """What one rule has done of late: the present hour and day (number since 1970) and how many decisions went through
    in each; until when (partition time) it has been full since it last parked one.

    Attributes:
        slot, opened: the present ten minutes (number since 1970), and how many rooms the rule opened in.
        mean, slots: rooms in ten minutes while it was not paused, on average over so many slots, a day at most.
        version, paused: the version of the policy under which it was last seen, and whether it is paused.
    """

    hour: int = 0
    in_hour: int = 0
    day: int = 0
    in_day: int = 0
    full_until_ms: int = 0
    slot: int = 0
    opened: int = 0
    mean: float = 0.0
    slots: int = 0
    version: int = 0
    paused: bool = False

    def note(self, decision: Decision, at_ms: int) -> None:
        """Count a decision at partition time `at_ms`, and set `paused` as it is then."""
        pause, slot = decision.rule.pause, at_ms // SLOT_MS
        if decision.policy.version != self.version:
            self.version, self.paused, self.opened = decision.policy.version, False, 0
        if slot > self.slot:
            if self.slot:
                self._pass(slot - self.slot - 1, pause)
            self.slot, self.opened = slot, 0
        self.opened += decision.kind == "opened"
        self.paused = self.paused or self._floods(self.opened, pause)

    def _floods(self, opened: int, pause: Pause) -> bool:
        return opened > pause.rooms and opened > pause.times * self.mean

    def _pass(self, empty: int, pause: Pause) -> None:
        """The present slot is over, and `empty` slots without any decision after it. A flood teaches nothing."""
        if not self.paused:
            self.slots = min(self.slots + 1, SLOTS)
            self.mean += (self.opened - self.mean) / self.slots
        if empty or not self._floods(self.opened, pause):
            self.paused = False
        self.mean *= power(1 - 1 / SLOTS, empty)
        self.slots = min(self.slots + empty, SLOTS)


class Verdict(Struct, array_like=True, frozen=True):
    """What was decided about one record, and at which offset of the room log."""

    offset: int
    parked: bool


class Ledger(Struct, array_like=True):
    """What one partition remembers of its rules; it is part of the partition's state.

    Verdicts are kept until their offsets are committed: a record that is judged again, because the worker stopped
    between two commits, gets the verdict that it had and is not counted twice.
    """

    windows: dict[str, Window] = {}
    verdicts: dict[str, Verdict] = {}  # by violation id

    def let_through(self, decision: Decision, offset: int, at_ms: int) -> bool:
        """Let a decision that `is_counted` through, and count it; False if it must be parked.

        `at_ms` is the partition's time with the record at `offset` in it.
        """
        verdict = self.verdicts.get(decision.violation_id)
        if verdict is None:
            verdict = self.verdicts[decision.violation_id] = Verdict(offset, not self._count(decision, at_ms))
        return not verdict.parked

    def _count(self, decision: Decision, now_ms: int) -> bool:
        """Count a decision; False, and not counted under its cap, if the rule is paused or its cap is reached."""
        caps = decision.rule.caps
        window = self._ensure_window(decision.rule.id)
        window.note(decision, now_ms)
        if window.paused:
            return False
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

    def _ensure_window(self, rule: str) -> Window:
        window = self.windows.get(rule)
        if window is None:
            if len(self.windows) >= WINDOWS_MAX:  # of rules that are long gone
                del self.windows[min(self.windows, key=lambda other: (self.windows[other].slot, other))]
            window = self.windows[rule] = Window()
        return window

    def reached(self, now_ms: int) -> list[str]:
        """Rules that are at their cap at partition time `now_ms`."""
        return [rule for rule, window in list(self.windows.items()) if window.full_until_ms > now_ms]

    def paused(self) -> list[str]:
        """Rules that are paused."""
        return [rule for rule, window in list(self.windows.items()) if window.paused]

    def forget_below(self, offset: int) -> None:
        """Drops verdicts about records that cannot be judged again."""
        done = [name for name, verdict in self.verdicts.items() if verdict.offset < offset]
        for name in done:
            del self.verdicts[name]


def _full(count: int, cap: int | None) -> bool:
    return cap is not None and count >= cap


def is_counted(decision: Decision) -> bool:
    """Whether a decision counts against caps and pauses: it asks for something by itself."""
    return bool(decision.actions) and not decision.released


def park(episode: Episode | None, decision: Decision) -> Decision:
    """The decision with all that it asks for held back; its episode remembers, so that a person may release it."""
    if episode is not None:
        episode.parked = (decision.violation_id,)
    return hold_back(decision)


def hold_back(decision: Decision) -> Decision:
    """The decision as a parked one, which asks for nothing."""
    held = tuple(Withheld(action.action, "cap") for action in decision.actions)
    return replace(decision, kind="parked", actions=(), withheld=decision.withheld + held)
