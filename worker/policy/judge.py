"""Rooms into decisions. Rules are looked at only when something that they read changed, at block close, when the
session closes, and on reviews; never per event. Decisions of one call come in the order of (policy, rule).

A verdict depends on the room's log and the policies in force, on nothing else. So a rule that fails ten times in a row
in a room is parked for that room's session, lest its defect cost the others time there; a new version of its policy is
tried again.
"""

from collections.abc import Callable
from hashlib import blake2b

from msgspec.structs import replace

from worker.audit import history
from worker.audit.evidence import Level
from worker.audit.facts import BLOCK_BIT, FACT_BIT, REVIEW_BIT, SESSION_BIT
from worker.audit.room import EPISODES_MAX, Episode, Phase, Room
from worker.policy import failures, shares
from worker.policy.actions import is_sampled, recommend
from worker.policy.book import Active, PolicyBook
from worker.policy.compile import RuleError
from worker.policy.episodes import ACTIVE, Event, State, after, ids_of, released_name, step_name, violation_id
from worker.policy.exemptions import exemption_of
from worker.policy.inputs import Inputs, as_json, of_room
from worker.policy.model import Action, Control, Decision, Json, Mode, Rule, Transition
from worker.policy.reasons import (
    bar_of,
    certainty_of,
    counterfactual,
    driving_family,
    evidence_of,
    facts_read,
    holds,
    window_start_ms,
)

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
        return Control(policies=self.book.active(room.platform, room.region, now_ms).offset)

    def evaluate(self, room: Room, now_ms: int) -> list[Decision]:
        """Decide about a room at event time `now_ms`; moves `room.episodes`, clears `room.changed`."""
        changed = room.changed
        active = self.book.active(room.platform, room.region, now_ms)
        if active.shares or room.marks:
            _note_shares(room, active, changed, now_ms)
        room.changed = 0
        if not changed & (active.mask | ALWAYS):
            return []
        decisions: list[Decision] = []
        inputs = of_room(room, now_ms)
        if changed & REVIEW_BIT:
            self._take_reviews(room, inputs, decisions)
            changed |= FACT_BIT["history"] | BLOCK_BIT
            inputs = of_room(room, now_ms)
        self._end_old(room, active, inputs, decisions)
        if room.phase != Phase.CLOSED or changed & SESSION_BIT:
            self._look(room, active, changed, inputs, decisions)
        if room.phase == Phase.CLOSED:
            self._clear_all(room, inputs, decisions)
        return decisions

    def _look(self, room: Room, active: Active, changed: int, inputs: Inputs, decisions: list[Decision]) -> None:
        everything = bool(changed & LOOK_AT_ALL)
        self._looks += 1
        clock = self._clock if self._looks % self._timed_one_in == 0 else None
        for rule, mask in zip(active.rules, active.masks, strict=True):
            if not (everything or changed & mask) or (room.failures and failures.is_parked(room, rule)):
                continue
            started_s = clock() if clock else 0.0
            try:
                self._move(room, rule, inputs, decisions)
            except RuleError:
                self._note_failure(room, rule)
            else:
                if room.failures:
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
            exempt = exemption_of(rule, room, inputs.now_ms) is not None
            if episode.mode != mode_of(rule, room.room_id) or episode.exempt != exempt:  # begin anew
                _clear(room, rule, episode, inputs, decisions)
                if true:
                    self._open(room, rule, episode, inputs, decisions)
            elif true:
                self._go_on(room, rule, episode, inputs, decisions)
            else:
                self._lapse(room, rule, episode, inputs, decisions)
        elif true and _may_open(room, rule, episode, inputs.now_ms):
            if episode is None:
                _make_place(room)
            self._open(room, rule, episode, inputs, decisions)

    def _open(self, room: Room, rule: Rule, old: Episode | None, inputs: Inputs, decisions: list[Decision]) -> None:
        before = State.IDLE if old is None or old.session_id != room.session_id else State(old.state)
        now_ms = inputs.now_ms
        upheld = history.count(room.facts.history, rule.id, now_ms, rule.remember_ms)
        began = min(upheld, len(rule.ladder) - 1)
        episode = Episode(
            rule=rule.id,
            state=after(before, Event.OPEN),
            opened_ms=now_ms,
            step=began,
            stepped_ms=now_ms,
            policy_version=rule.policy.version,
            mode=mode_of(rule, room.room_id),
            session_id=room.session_id,
            certainty=certainty_of(rule, inputs),
            exempt=exemption_of(rule, room, now_ms) is not None,
            began=began,
        )
        decisions.append(_decide(room, rule, episode, "opened", inputs))
        room.episodes[rule.id] = episode

    def _go_on(self, room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        """Still true: the next step is due after `escalate_after` without a gap, or when certainty has risen."""
        now_ms = inputs.now_ms
        if episode.false_since_ms:
            episode.false_since_ms = 0
            episode.stepped_ms = now_ms
        certainty = max(certainty_of(rule, inputs), episode.certainty)
        due = now_ms - episode.stepped_ms >= rule.escalate_after_ms and episode.step < len(rule.ladder) - 1
        due = due and not episode.exempt
        if not due and certainty == episode.certainty:
            return
        episode.state = after(episode.state, Event.ESCALATE)
        episode.certainty = certainty
        if due:
            episode.step += 1
            episode.stepped_ms = now_ms
        decisions.append(_decide(room, rule, episode, "escalated", inputs))

    def _lapse(self, room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        episode.false_since_ms = episode.false_since_ms or inputs.now_ms
        if inputs.now_ms - episode.false_since_ms >= rule.clear_after_ms:
            _clear(room, rule, episode, inputs, decisions)

    def _end_old(self, room: Room, active: Active, inputs: Inputs, decisions: list[Decision]) -> None:
        """Clear what another session left open, and episodes of rules that no longer hold in this room."""
        for episode in _in_order(room):
            if episode.state in ACTIVE and (episode.session_id != room.session_id or episode.rule not in active.ids):
                self._clear_any(room, episode, inputs, decisions)

    def _clear_all(self, room: Room, inputs: Inputs, decisions: list[Decision]) -> None:
        for episode in _in_order(room):
            if episode.state in ACTIVE:
                self._clear_any(room, episode, inputs, decisions)

    def _clear_any(self, room: Room, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
        rule = self.book.rule(episode.rule, inputs.now_ms)
        if rule is None:  # deleted from every policy: nothing to say it by, and nobody to hold it
            episode.state = after(episode.state, Event.CLEAR)
            return
        _clear(room, rule, episode, inputs, decisions)

    # --- what people decide ---

    def _take_reviews(self, room: Room, inputs: Inputs, decisions: list[Decision]) -> None:
        for reviewed, result, _ in room.reviews:
            episode = self._episode_of(room, reviewed, inputs.now_ms)
            rule = self.book.rule(episode.rule, inputs.now_ms) if episode else None
            if episode is None or rule is None:
                continue  # of a violation that this room no longer remembers
            if result == "overturned" and episode.state != State.WITHDRAWN:
                episode.state = after(episode.state, Event.WITHDRAW)
                decisions.append(_decide(room, rule, episode, "withdrawn", inputs))
            elif result == "upheld":
                if episode.state == State.WITHDRAWN:
                    episode.state = after(episode.state, Event.REINSTATE)
                    episode.stepped_ms = inputs.now_ms - rule.cooldown_ms
                if reviewed == episode.parked:
                    decisions.append(_decide(room, rule, episode, "escalated", inputs, released=True))
                if not episode.upheld:
                    episode.upheld = True
                    room.facts.history = history.upheld_here(room.facts.history, rule.id, inputs.now_ms)
        room.reviews.clear()

    def _episode_of(self, room: Room, reviewed: str, now_ms: int) -> Episode | None:
        for episode in _in_order(room):
            rule = self.book.rule(episode.rule, now_ms)
            if rule and reviewed in ids_of(episode, room.platform, room.room_id, len(rule.ladder)):
                return episode
        return None


def mode_of(rule: Rule, room_id: str) -> Mode:
    """Live or shadow for this room: `percent` picks rooms by a stable hash, so a higher one only adds rooms."""
    if rule.rollout.mode == "shadow" or rule.rollout.percent >= 100:
        return rule.rollout.mode
    digest = blake2b(f"{rule.id}\x1f{room_id}".encode(), digest_size=8).digest()
    return "live" if int.from_bytes(digest, "big") % 10_000 < rule.rollout.percent * 100 else "shadow"


def _note_shares(room: Room, active: Active, changed: int, now_ms: int) -> None:
    """Remembers when what rules ask the share of began or ceased to hold."""
    if changed & active.shares_mask or room.marks.keys() != set(active.shares):
        inputs = of_room(room, now_ms)
        shares.note(room, {name: inputs.stands(name) for name in active.shares}, now_ms)


def _in_order(room: Room) -> list[Episode]:
    return [room.episodes[rule] for rule in sorted(room.episodes)]


def _may_open(room: Room, rule: Rule, episode: Episode | None, now_ms: int) -> bool:
    if episode is None:
        return _has_place(room)
    if episode.session_id != room.session_id:
        return True
    return episode.state == State.CLEARED and now_ms - episode.stepped_ms >= rule.cooldown_ms


def _has_place(room: Room) -> bool:
    """Whether another episode may be kept: there is room for it, or one is closed and can go."""
    return len(room.episodes) < EPISODES_MAX or bool(_closed(room))


def _make_place(room: Room) -> None:
    """Drop the episode that is closed longest if no other could be kept: rules of former versions go first."""
    if len(room.episodes) >= EPISODES_MAX:
        del room.episodes[min(_closed(room), key=lambda e: e.stepped_ms).rule]


def _closed(room: Room) -> list[Episode]:
    return [e for e in _in_order(room) if e.state == State.CLEARED or e.session_id != room.session_id]


def _clear(room: Room, rule: Rule, episode: Episode, inputs: Inputs, decisions: list[Decision]) -> None:
    episode.state = after(episode.state, Event.CLEAR)
    episode.stepped_ms = inputs.now_ms
    episode.false_since_ms = 0
    decisions.append(_decide(room, rule, episode, "cleared", inputs))


def _decide(
    room: Room, rule: Rule, episode: Episode, kind: Transition, inputs: Inputs, *, released: bool = False
) -> Decision:
    """The record of a move; it takes the place of the episode's previous one."""
    now_ms = inputs.now_ms
    asks = kind in ("opened", "escalated")
    name = step_name(episode.step, episode.certainty) if asks else kind
    if released:
        name = released_name(name)
    if asks or kind == "withdrawn":
        episode.parked = ""
    if kind == "withdrawn":  # an appeal may go to and fro
        name = f"withdrawn.{now_ms}"
    new_id = violation_id(room.platform, room.room_id, episode.session_id, rule.id, episode.opened_ms, name)
    supersedes, episode.violation_id = episode.violation_id, new_id
    mode: Mode = "live" if episode.mode == "live" else "shadow"
    decision = Decision(
        kind=kind,
        violation_id=new_id,
        supersedes=supersedes,
        rule=rule,
        policy=rule.policy,
        mode=mode,
        session_id=episode.session_id,
        step=episode.step,
        decided_at_ms=now_ms,
        window_start_ms=min(episode.opened_ms, now_ms),
        certainty=episode.certainty,
        facts=facts_read(rule, inputs),
        released=released,
    )
    return _reasoned(decision, room, rule, episode, inputs) if asks else decision


def _reasoned(decision: Decision, room: Room, rule: Rule, episode: Episode, inputs: Inputs) -> Decision:
    live = decision.mode == "live"
    exemption = exemption_of(rule, room, inputs.now_ms)
    actions, withheld = recommend(
        rule.ladder[min(decision.step, len(rule.ladder) - 1)],  # a new version may have a shorter ladder
        decision.certainty,
        live=live,
        exempt=exemption is not None,
        now_ms=inputs.now_ms,
        territory=room.region,
    )
    by_itself = bool(actions) and not decision.released and all(action.action != "review" for action in actions)
    sampled = by_itself and is_sampled(decision.violation_id, rule.review_sample_percent)
    if sampled:
        actions = (*actions, Action("review", None, room.region))
    past: dict[str, Json] = {}
    if episode.began:
        past = {"history": {**as_json(inputs, "history"), "began_at_step": episode.began}}
    name = driving_family(rule, inputs)
    family = room.evidence(name) if name else None
    shares, log_e = evidence_of(family) if family else ((), None)
    level = inputs.levels.get(name, Level.NONE) if name else Level.NONE
    return replace(
        decision,
        window_start_ms=window_start_ms(rule, inputs, family),
        actions=actions,
        withheld=withheld,
        exemption=exemption if live else None,
        sampled=sampled,
        facts={**decision.facts, **past},
        family=name if family else None,
        level=level,
        evidence=shares,
        log_e=log_e,
        threshold=bar_of(level) if family else None,
        counterfactual=counterfactual(rule, inputs, room) + (("history.step",) if episode.began else ()),
    )
