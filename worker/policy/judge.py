"""Rooms into decisions. Rules are looked at only when something that they read changed, at block close, when the
session closes, and on reviews; never per event. Decisions of one call come in the order of (policy, rule).

A verdict depends on the room's log and the policies in force, on nothing else. So a rule that fails ten times in a row
in a room is parked for that room's session, lest its defect cost the others time there; a new version of its policy is
tried again.
"""

from collections.abc import Callable
from hashlib import blake2b

from worker.audit import history
from worker.audit.episode import EPISODES_MAX, Episode
from worker.audit.facts import BLOCK_BIT, FACT_BIT, REVIEW_BIT, SESSION_BIT
from worker.audit.reviews import says
from worker.audit.room import Room
from worker.policy import failures, reviews, shares
from worker.policy.book import Active, PolicyBook
from worker.policy.compile import RuleError
from worker.policy.decide import decide
from worker.policy.episodes import ACTIVE, Event, State, after, give_up, interrupt, is_interrupted, resume
from worker.policy.exemptions import exemption_of
from worker.policy.inputs import Inputs, of_room
from worker.policy.model import Control, Decision, Mode, Rule
from worker.policy.reasons import certainty_of, holds
from worker.policy.reviews import in_order

TIMED_ONE_IN = 16
LOOK_AT_ALL = BLOCK_BIT | SESSION_BIT
ALWAYS = LOOK_AT_ALL | REVIEW_BIT | FACT_BIT["room"]


class Judge:
    """Judges rooms by a book of policies.

    Attributes:
        book: may be replaced by one that knows more versions; rooms switch by event time.
        errors: failed evaluations by rule id.
        parked: rules that failed ten times in a row in some room, and under which version of their policy: for the
            alert, no verdict reads it.
        rule_seconds: time spent on each rule by `clock` (s), estimated from one look in `timed_one_in`.
    """

    def __init__(
        self, book: PolicyBook, *, clock: Callable[[], float] | None = None, timed_one_in: int = TIMED_ONE_IN
    ) -> None:
        self.book = book
        self.errors: dict[str, int] = {}
        self.parked: dict[str, int] = {}
        self.rule_seconds: dict[str, float] = {}
        self._clock = clock
        self._timed_one_in = timed_one_in
        self._looks = 0

    def control(self, room: Room, now_ms: int) -> Control:
        """What a record about a room names as the control topics' offsets: a function of the policies in force."""
        active = self.book.active(room.session.platform, room.session.region, now_ms)
        return Control(policies=active.offset, trust="open" if self.book.keyring is None else "signed")

    def evaluate(self, room: Room, now_ms: int) -> list[Decision]:
        """Decide about a room at append time `now_ms`; moves `room.episodes`, clears `room.changed`.

        Spans are measured in append time, which no producer can bend. Which policies hold, exemptions and the past go
        by the room's event time. Answers to the reviews that waited are left in `room.answers`.
        """
        if not room.session.host_id and not room.reviews:
            return []  # rules wait for the first descriptor; what changed is looked at then
        changed = room.changed
        active = self.book.active(room.session.platform, room.session.region, room.max_at_ms)
        if active.shares or room.session.marks:
            _note_shares(room, active, changed, now_ms)
        room.changed = 0
        if not changed & (active.mask | ALWAYS):
            return []
        decisions: list[Decision] = []
        inputs = of_room(room, now_ms)
        if changed & REVIEW_BIT:
            decisions += reviews.take(room, self.book, inputs)
            changed |= FACT_BIT["history"] | BLOCK_BIT
            inputs = of_room(room, now_ms)
        self._end_old(room, active, inputs, decisions)
        if room.session.off_appended_ms:
            self._clear_all(room, inputs, decisions)
        else:
            self._look(room, active, changed, inputs, decisions)
        return decisions

    def _look(self, room: Room, active: Active, changed: int, inputs: Inputs, decisions: list[Decision]) -> None:
        everything = bool(changed & LOOK_AT_ALL)
        self._looks += 1
        clock = self._clock if self._looks % self._timed_one_in == 0 else None
        for rule, mask in zip(active.rules, active.masks, strict=True):
            if not (everything or changed & mask) or (room.session.failures and failures.is_parked(room, rule)):
                continue
            started_s = clock() if clock else 0.0
            try:
                self._move(room, rule, inputs, decisions)
            except RuleError:
                self._note_failure(room, rule)
            else:
                if room.session.failures:
                    failures.forget(room, rule)
            if clock:
                spent_s = (clock() - started_s) * self._timed_one_in
                self.rule_seconds[rule.id] = self.rule_seconds.get(rule.id, 0.0) + spent_s

    def _note_failure(self, room: Room, rule: Rule) -> None:
        self.errors[rule.id] = self.errors.get(rule.id, 0) + 1
        failures.note(room, rule)
        if failures.is_parked(room, rule):
            self.parked[rule.id] = rule.policy.version

    # --- the life of one rule in one room ---

    def _move(self, room: Room, rule: Rule, inputs: Inputs, decisions: list[Decision]) -> None:
        true = holds(rule, inputs)
        episode = room.episodes.get(rule.id)
        if episode is not None and episode.state in ACTIVE:
            exempt = exemption_of(rule, room, inputs.event_ms) is not None
            if room.past and reviews.exempts(room, rule.id):
                _clear(room, rule, episode, inputs, decisions)
            elif episode.mode != mode_of(rule, room.room_id) or episode.exempt != exempt:  # begin anew
                _clear(room, rule, episode, inputs, decisions)
                if true:
                    self._open(room, rule, episode, inputs, decisions)
            elif true:
                self._go_on(room, rule, episode, inputs, decisions)
            else:
                self._lapse(room, rule, episode, inputs, decisions)
        elif episode is not None and is_interrupted(episode) and episode.session == room.session.number:
            if not true:
                give_up(episode, inputs.now_ms)
            elif episode.mode == mode_of(rule, room.room_id):
                self._take_up(room, rule, episode, inputs, decisions)
            else:
                self._open(room, rule, episode, inputs, decisions)
        elif true and _may_open(room, rule, episode, inputs.now_ms):
            if episode is None:
                _make_place(room, inputs.now_ms)
            self._open(room, rule, episode, inputs, decisions)

    def _open(self, room: Room, rule: Rule, old: Episode | None, inputs: Inputs, decisions: list[Decision]) -> None:
        before = State.IDLE if old is None or old.session != room.session.number else State(old.state)
        now_ms = inputs.now_ms
        upheld = history.count(history.standing(room), rule.id, inputs.event_ms, rule.remember_ms)
        began = min(upheld, len(rule.ladder) - 1)
        episode = Episode(
            rule=rule.id,
            state=after(before, Event.OPEN),
            opened_ms=reviews.first_free_ms(room, rule.id, now_ms),
            step=began,
            stepped_ms=now_ms,
            policy_version=rule.policy.version,
            mode=mode_of(rule, room.room_id),
            session_id=room.session.id,
            certainty=certainty_of(rule, inputs),
            exempt=exemption_of(rule, room, inputs.event_ms) is not None,
            began=began,
            session=room.session.number,
            broadcast=room.broadcast(),
        )
        if old is not None:
            history.retire(room, old, now_ms)
        decisions.append(decide(room, rule, episode, "opened", inputs))
        room.episodes[rule.id] = episode

    def _take_up(self, room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        """The session is back, and the rule still holds: it goes on where it was."""
        resume(episode, inputs.now_ms)
        episode.step = min(episode.step, len(rule.ladder) - 1)
        episode.certainty = max(certainty_of(rule, inputs), episode.certainty)
        episode.policy_version = rule.policy.version
        episode.exempt = exemption_of(rule, room, inputs.now_ms) is not None
        decisions.append(decide(room, rule, episode, "opened", inputs))

    def _go_on(self, room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        """Still true: the next step is due after `escalate_after` without a gap, or when certainty has risen."""
        now_ms = inputs.now_ms
        if episode.false_since_ms:
            episode.false_since_ms = 0
            episode.stepped_ms = now_ms
        if says(episode.word, "partly"):
            return  # a person has said what stays
        certainty = max(certainty_of(rule, inputs), episode.certainty)
        due = now_ms - episode.stepped_ms >= rule.escalate_after_ms and episode.step < len(rule.ladder) - 1
        due = due and not episode.exempt
        if not due and certainty == episode.certainty:
            return
        episode.state = after(episode.state, Event.ESCALATE)
        episode.certainty = certainty
        episode.parked, episode.freed = (), False
        if due:
            episode.step += 1
            episode.stepped_ms = now_ms
        decisions.append(decide(room, rule, episode, "escalated", inputs))

    def _lapse(self, room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        episode.false_since_ms = episode.false_since_ms or inputs.now_ms
        if inputs.now_ms - episode.false_since_ms >= rule.clear_after_ms:
            _clear(room, rule, episode, inputs, decisions)

    def _end_old(self, room: Room, active: Active, inputs: Inputs, decisions: list[Decision]) -> None:
        """Clear what another session left open, and episodes of rules that no longer hold in this room."""
        for episode in in_order(room):
            gone = episode.session != room.session.number or episode.rule not in active.ids
            if episode.state in ACTIVE and gone:
                self._clear_any(room, episode, inputs, decisions)

    def _clear_all(self, room: Room, inputs: Inputs, decisions: list[Decision]) -> None:
        """The session is off the air. If it comes back, rules that still hold go on where they were."""
        for episode in in_order(room):
            if episode.state in ACTIVE:
                lasted_ms = inputs.now_ms - episode.stepped_ms
                missing_ms = episode.false_since_ms
                self._clear_any(room, episode, inputs, decisions)
                interrupt(episode, lasted_ms, missing_ms)

    def _clear_any(self, room: Room, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        rule = self.book.rule(episode.rule, inputs.event_ms)
        if rule is None:  # deleted from every policy: nothing to say it by, and nobody to hold it
            episode.state = after(episode.state, Event.CLEAR)
            return
        _clear(room, rule, episode, inputs, decisions)


def mode_of(rule: Rule, room_id: str) -> Mode:
    """Live or shadow for this room: `percent` picks rooms by a stable hash, so a higher one only adds rooms."""
    if rule.rollout.mode == "shadow" or rule.rollout.percent >= 100:
        return rule.rollout.mode
    digest = blake2b(f"{rule.id}\x1f{room_id}".encode(), digest_size=8).digest()
    return "live" if int.from_bytes(digest, "big") % 10_000 < rule.rollout.percent * 100 else "shadow"


def _note_shares(room: Room, active: Active, changed: int, now_ms: int) -> None:
    """Remembers when what rules ask the share of began or ceased to hold."""
    if changed & active.shares_mask or room.session.marks.keys() != set(active.shares):
        inputs = of_room(room, now_ms)
        shares.note(room, {name: inputs.stands(name) for name in active.shares}, now_ms)


def _may_open(room: Room, rule: Rule, episode: Episode | None, now_ms: int) -> bool:
    if room.past and reviews.exempts(room, rule.id):
        return False
    if episode is None:
        return _has_place(room)
    if episode.session != room.session.number:
        return True
    return episode.state == State.CLEARED and now_ms - episode.stepped_ms >= rule.cooldown_ms


def _has_place(room: Room) -> bool:
    """Whether another episode may be kept: there is room for it, or one is closed and can go."""
    return len(room.episodes) < EPISODES_MAX or bool(_closed(room))


def _make_place(room: Room, now_ms: int) -> None:
    """Retire the episode that is closed longest if no other could be kept: rules of former versions go first."""
    if len(room.episodes) >= EPISODES_MAX:
        oldest = min(_closed(room), key=lambda e: e.stepped_ms)
        history.retire(room, room.episodes.pop(oldest.rule), now_ms)


def _closed(room: Room) -> list[Episode]:
    return [e for e in in_order(room) if e.state == State.CLEARED or e.session != room.session.number]


def _clear(room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
    episode.state = after(episode.state, Event.CLEAR)
    episode.stepped_ms = inputs.now_ms
    episode.false_since_ms = 0
    decisions.append(decide(room, rule, episode, "cleared", inputs))
