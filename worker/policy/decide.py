"""The record of a move in the life of a rule in a room: what leaves, and all that explains it."""

from typing import Literal, NamedTuple

from msgspec.structs import replace

from worker.audit.episode import NAMED_MAX, Episode
from worker.audit.evidence import Level
from worker.audit.reviews import Review
from worker.audit.room import Room
from worker.policy.actions import is_sampled, recommend
from worker.policy.episodes import id_of, released_name, returned_name, review_name, step_name
from worker.policy.exemptions import exemption_of
from worker.policy.inputs import Inputs, as_json
from worker.policy.model import Action, ByReview, Decision, Json, Mode, Rule, Transition
from worker.policy.reasons import (
    bar_of,
    counterfactual,
    driving_family,
    evidence_of,
    facts_read,
    window_start_ms,
)


class Said(NamedTuple):
    """What a person's review makes of an episode.

    withdrawn: nothing of it holds. restored: all of it holds again. partly: what `review.keep` names holds. released:
    what a cap held back leaves.
    """

    what: Literal["withdrawn", "restored", "partly", "released"]
    review: Review


def decide(
    room: Room, rule: Rule, episode: Episode, kind: Transition, inputs: Inputs, said: Said | None = None
) -> Decision:
    """The record of a move; it takes the place of the episode's previous one. `said`: a person made it."""
    now_ms = inputs.now_ms
    new_id = id_of(episode, room.room_id, _name(episode, kind, said))
    supersedes, episode.violation_id = episode.violation_id, new_id
    if said is not None and said.what != "released":
        episode.named = (*episode.named, new_id)[-NAMED_MAX:]
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
        facts=facts_read(rule, inputs) if _is_present(room, episode) else {},
        released=said is not None and kind != "withdrawn",
        by_review=None if said is None else _by(said),
        former=None if _is_present(room, episode) else episode.broadcast,
    )
    return _reasoned(decision, room, rule, episode, inputs, said) if kind in ("opened", "escalated") else decision


def _by(said: Said) -> ByReview:
    review = said.review
    return ByReview(review.review_id, review.by, review.outcome, said.what)


def _is_present(room: Room, episode: Episode) -> bool:
    """Whether the episode is of the room's present session, so that what the room shows now is about it."""
    return episode.session == room.session.number


def _name(episode: Episode, kind: Transition, said: Said | None) -> str:
    if said is not None and said.what != "released":
        return review_name(said.what, said.review)
    name: str = kind
    if kind in ("opened", "escalated"):
        name = step_name(episode.step, episode.certainty)
        name = name if said is None else released_name(name)
    return returned_name(name, episode.returns)


def _reasoned(
    decision: Decision, room: Room, rule: Rule, episode: Episode, inputs: Inputs, said: Said | None
) -> Decision:
    live = decision.mode == "live"
    region = room.session.region if decision.former is None else decision.former.region
    exemption = exemption_of(rule, room, inputs.event_ms)
    actions, withheld = recommend(
        rule.ladder[min(decision.step, len(rule.ladder) - 1)],  # a new version may have a shorter ladder
        decision.certainty,
        live=live,
        exempt=exemption is not None,
        now_ms=inputs.now_ms,
        territory=region,
    )
    if said is not None and said.what == "partly":
        actions = tuple(action for action in actions if action.action in said.review.keep)
        withheld = tuple(held for held in withheld if held.action in said.review.keep)
    by_itself = bool(actions) and not decision.released and all(action.action != "review" for action in actions)
    sampled = by_itself and is_sampled(decision.violation_id, rule.review_sample_percent)
    if sampled:
        actions = (*actions, Action("review", None, region))
    past: dict[str, Json] = {}
    if episode.began:
        past = {"history": {**as_json(inputs, "history"), "began_at_step": episode.began}}
    decision = replace(
        decision,
        actions=actions,
        withheld=withheld,
        exemption=exemption if live else None,
        sampled=sampled,
        facts={**decision.facts, **past},
        counterfactual=("history.step",) if episode.began else (),
    )
    return _explained(decision, room, rule, inputs) if _is_present(room, episode) else decision


def _explained(decision: Decision, room: Room, rule: Rule, inputs: Inputs) -> Decision:
    """The decision with its evidence, and with what it hangs on."""
    name = driving_family(rule, inputs)
    family = room.evidence(name) if name else None
    shares, log_e = evidence_of(family) if family else ((), None)
    level = inputs.levels.get(name, Level.NONE) if name else Level.NONE
    return replace(
        decision,
        window_start_ms=window_start_ms(rule, inputs, family),
        family=name if family else None,
        level=level,
        evidence=shares,
        log_e=log_e,
        threshold=bar_of(level) if family else None,
        counterfactual=counterfactual(rule, inputs, room) + decision.counterfactual,
    )
