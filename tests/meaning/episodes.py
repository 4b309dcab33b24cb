"""From what a rule was at each look to what is said of it. CONTRACT.md, "Life of a rule". Times are append times."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.meaning.rules import Rule, Verdict, leaves


@dataclass(frozen=True, slots=True)
class Moment:
    """One look: where in the log, when, of which session, whether it is on the air, and what its rules are."""

    offset: int
    append: int
    session: int
    name: str
    live: bool
    verdicts: tuple[tuple[Rule, Verdict], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of a rule. `transition`: opened, escalated (step or certainty rose), cleared."""

    room_id: str
    session: int
    session_id: str
    rule: str
    mode: str
    transition: str
    step: int
    certainty: int
    actions: tuple[str, ...]
    offset: int
    append_ms: int


@dataclass(slots=True)
class _Told:
    """One rule in one session, while its moments are gone through."""

    open: bool = False
    step: int = 0
    certainty: int = 0
    lasted: int = 0  # how long it has held without a gap on this step, ms on the air
    missing: int | None = None  # since when it does not hold
    cleared: int | None = None
    interrupted: bool = False  # the session's end cleared it
    before: int | None = None  # the append time of the moment before, if on the air


def decisions(room_id: str, moments: Sequence[Moment]) -> list[Decision]:
    """Go through a room's moments in the order of the log."""
    told: dict[tuple[int, str], _Told] = {}
    rules: dict[str, Rule] = {}
    said: list[Decision] = []
    last: Moment | None = None
    for moment in moments:
        ended = last is not None and last.live and (moment.session != last.session or not moment.live)
        if ended and last is not None:
            said += _end(room_id, last, moment, told, rules)
        verdicts = dict(moment.verdicts) if moment.live else {}
        rules |= {rule.id: rule for rule in verdicts}
        for rule, verdict in verdicts.items():
            state = told.setdefault((moment.session, rule.id), _Told())
            transition = _step(state, rule, verdict, moment.append)
            if transition:
                said.append(_say(room_id, moment, rule, state, transition, moment))
        last = moment
    return said


def _say(room_id: str, of: Moment, rule: Rule, state: _Told, transition: str, at: Moment) -> Decision:
    live = rule.mode == "live" and transition != "cleared"
    actions = leaves(rule.ladder[state.step], state.certainty) if live else ()
    return Decision(room_id, of.session, of.name, rule.id, rule.mode, transition, state.step, state.certainty, actions,
                    at.offset, at.append)  # fmt: skip


def _end(
    room_id: str, last: Moment, moment: Moment, told: dict[tuple[int, str], _Told], rules: dict[str, Rule]
) -> list[Decision]:
    """The session left the air: what is open is cleared, and taken up again where it was if the session comes back."""
    said = []
    for (session, name), state in told.items():
        if session != last.session:
            continue
        if state.open and state.missing is None and state.before is not None:
            state.lasted += moment.append - state.before  # it held up to its end
        state.before = None
        if state.open:
            state.open, state.interrupted = False, True
            said.append(_say(room_id, last, rules[name], state, "cleared", moment))
    return said


def _step(state: _Told, rule: Rule, verdict: Verdict, now: int) -> str:
    """Let one look at a rule pass. Returns the transition, or nothing."""
    since, state.before = (now - state.before if state.before is not None else 0), now
    if not verdict.holds:
        if state.interrupted:
            state.interrupted, state.cleared = False, now
        if not state.open:
            return ""
        state.missing = now if state.missing is None else state.missing
        state.lasted = 0
        if now - state.missing < rule.clear_after:
            return ""
        state.open, state.missing, state.cleared = False, None, now
        return "cleared"
    if not state.open:
        return _open(state, rule, verdict, now)
    state.lasted = state.lasted + since if state.missing is None else 0
    state.missing = None
    if state.lasted >= rule.escalate_after and state.step + 1 < len(rule.ladder):
        state.step, state.lasted = state.step + 1, 0
        state.certainty = max(state.certainty, verdict.certainty)
        return "escalated"
    if verdict.certainty > state.certainty:
        state.certainty = verdict.certainty
        return "escalated"
    return ""


def _open(state: _Told, rule: Rule, verdict: Verdict, now: int) -> str:
    if state.interrupted:
        state.open, state.interrupted = True, False
        state.certainty = max(state.certainty, verdict.certainty)
        return "opened"
    if state.cleared is not None and now - state.cleared < rule.cooldown:
        return ""
    state.open, state.step, state.lasted, state.certainty = True, 0, 0, verdict.certainty
    return "opened"
