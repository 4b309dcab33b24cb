"""Every action that a policy may recommend: how sure one must be, whether a person must agree, and its DSA value.

The enforcement service decides; what leaves here are recommendations. Certainty caps
them: suspicion may ask, possibility may slow a room down, certainty may do anything, and what hurts a seller's
living or liberty needs a person on top. DSA values are those of the Transparency Database v2 (`decision_*`).
"""

from hashlib import blake2b

from msgspec import Struct

from worker.audit.facts import Certainty
from worker.policy.model import Action, Recommendation, Withheld

VISIBILITY, MONETARY, PROVISION, ACCOUNT = (
    "decision_visibility",
    "decision_monetary",
    "decision_provision",
    "decision_account",
)


class Kind(Struct, frozen=True):
    """What an action is: the certainty it needs, whether a reviewer must agree, and how the DSA would call it."""

    least: Certainty
    reviewer: bool
    dsa: tuple[str, str] | None  # field, value; None: no restriction in the DSA's sense


_ASK, _SLOW, _ALL = Certainty.SUSPECTED, Certainty.POSSIBLE, Certainty.CONFIRMED

ACTIONS: dict[str, Kind] = {
    "notify": Kind(_ASK, False, None),
    "challenge": Kind(_ASK, False, None),
    "sample_more": Kind(_ASK, False, None),
    "add_label": Kind(_ASK, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_LABELLED")),
    "review": Kind(_ASK, False, None),
    "no_boost": Kind(_SLOW, False, (VISIBILITY, "DECISION_VISIBILITY_OTHER")),
    "reduce_live_recommendation": Kind(_SLOW, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_DEMOTED")),
    "hide_public_traffic": Kind(_SLOW, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_DEMOTED")),
    "reduce_account_recommendation": Kind(_ALL, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_DEMOTED")),
    "pause_live": Kind(_ALL, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_DISABLED")),
    "interrupt_live": Kind(_ALL, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_DISABLED")),
    "remove_content": Kind(_ALL, False, (VISIBILITY, "DECISION_VISIBILITY_CONTENT_REMOVED")),
    "deduct_points": Kind(_ALL, False, (VISIBILITY, "DECISION_VISIBILITY_OTHER")),
    "demonetise": Kind(_ALL, False, (MONETARY, "DECISION_MONETARY_TERMINATION")),
    "freeze_payout": Kind(_ALL, True, (MONETARY, "DECISION_MONETARY_SUSPENSION")),
    "limit_commerce": Kind(_ALL, True, (PROVISION, "DECISION_PROVISION_PARTIAL_SUSPENSION")),
    "suspend_live": Kind(_ALL, True, (ACCOUNT, "DECISION_ACCOUNT_SUSPENDED")),
    "ban_account": Kind(_ALL, True, (ACCOUNT, "DECISION_ACCOUNT_TERMINATED")),
    "report_authorities": Kind(_ALL, True, None),
}
"""The closed list. The schema of `live.audit.violations` names the same words; a test compares them."""


def recommend(
    wishes: tuple[Recommendation, ...], certainty: int, *, live: bool, exempt: bool, now_ms: int, territory: str
) -> tuple[tuple[Action, ...], tuple[Withheld, ...]]:
    """What of one step's wishes may leave at this certainty, and what is held back and why.

    A wish that needs a person leaves as `review`. A live step of which nothing may leave asks a person instead of
    saying nothing. In shadow nothing leaves, nor where the room is exempt.
    """
    actions: dict[str, Action] = {}
    withheld: list[Withheld] = []
    for wish in wishes:
        kind = ACTIONS[wish.action]
        if not live:
            withheld.append(Withheld(wish.action, "rollout"))
        elif exempt:
            withheld.append(Withheld(wish.action, "exemption"))
        elif certainty < kind.least:
            withheld.append(Withheld(wish.action, "certainty"))
        elif kind.reviewer:
            withheld.append(Withheld(wish.action, "review"))
            actions.setdefault("review", Action("review", None, territory))
        else:
            until_ms = now_ms + wish.for_ms if wish.for_ms else None
            actions[wish.action] = Action(wish.action, until_ms, territory)
    if live and not exempt and not actions:
        actions["review"] = Action("review", None, territory)
    return tuple(actions.values()), tuple(withheld)


def is_sampled(violation_id: str, percent: int) -> bool:
    """Whether an automatic violation is among the share that people look at: a stable hash of its id says so."""
    digest = blake2b(f"review\x1f{violation_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100 < percent
