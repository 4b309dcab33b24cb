"""A violation as a statement of reasons for the DSA Transparency Database, API version 2 (in force 2025-07-01).

The worker supplies facts, ground and recommendation; the platform decides, and amends `decision_*` before it submits.
Which action is which `decision_*` value is said in one table, `policy.actions`. There is no category for AI: what is
undisclosed breaks the platform's terms, a likeness without consent is impersonation, a falsified product misleads.

Source: digital-services-act/transparency-database, API documentation and `StatementStoreRequest`, version 2.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from worker.policy.actions import ACCOUNT, ACTIONS, MONETARY, PROVISION, VISIBILITY

Violation = Mapping[str, Any]

EEA = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
        "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "IS", "LI", "NO",
    }
)  # fmt: skip
"""Countries that `territorial_scope` may name: the EU's 27, Iceland, Liechtenstein, Norway."""

LAW = frozenset({"overlay_eu"})
"""Policies that state Union law; what breaks one is illegal content, everything else breaks the platform's terms."""

END_DATES = {
    VISIBILITY: "end_date_visibility_restriction",
    MONETARY: "end_date_monetary_restriction",
    PROVISION: "end_date_service_restriction",
    ACCOUNT: "end_date_account_restriction",
}
OTHER_TERMS, FRAUD, CONSUMER = (
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
    "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    "STATEMENT_CATEGORY_CONSUMER_INFORMATION",
)
ILLEGAL, INCOMPATIBLE = "DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"
VISIBILITY_OTHER = "DECISION_VISIBILITY_OTHER"

REQUIRED = (
    "decision_ground", "content_type", "category", "content_date", "application_date", "decision_facts",
    "source_type", "automated_detection", "automated_decision", "puid",
)  # fmt: skip
ENUMS: dict[str, frozenset[str]] = {
    VISIBILITY: frozenset(
        f"DECISION_VISIBILITY_{what}"
        for what in (
            *(f"CONTENT_{c}" for c in ("REMOVED", "DISABLED", "DEMOTED", "AGE_RESTRICTED", "INTERACTION_RESTRICTED")),
            "CONTENT_LABELLED",
            "OTHER",
        )
    ),
    MONETARY: frozenset(f"DECISION_MONETARY_{what}" for what in ("SUSPENSION", "TERMINATION", "OTHER")),
    PROVISION: frozenset(
        f"DECISION_PROVISION_{part}_{what}" for part in ("PARTIAL", "TOTAL") for what in ("SUSPENSION", "TERMINATION")
    ),
    ACCOUNT: frozenset({"DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"}),
    "decision_ground": frozenset({ILLEGAL, INCOMPATIBLE}),
    "content_type": frozenset({"CONTENT_TYPE_VIDEO", "CONTENT_TYPE_SYNTHETIC_MEDIA"}),
    "category": frozenset({OTHER_TERMS, FRAUD, CONSUMER}),
    "category_specification": frozenset(
        {"KEYWORD_IMPERSONATION_ACCOUNT_HIJACKING", "KEYWORD_MISLEADING_INFO_GOODS_SERVICES"}
    ),
    "territorial_scope": EEA,
    "source_type": frozenset({"SOURCE_VOLUNTARY"}),
    "automated_detection": frozenset({"Yes", "No"}),
    "automated_decision": frozenset(f"AUTOMATED_DECISION_{how}" for how in ("FULLY", "PARTIALLY", "NOT_AUTOMATED")),
}
"""Values that a field may take; of `content_type`, categories and keywords those that this worker uses."""

LISTS = frozenset({VISIBILITY, "content_type", "category_specification", "territorial_scope"})
CHARS_MAX = {
    "decision_facts": 5_000, "puid": 500, "decision_visibility_other": 500, "decision_monetary_other": 500,
    "illegal_content_legal_ground": 500, "illegal_content_explanation": 2_000,
    "incompatible_content_ground": 500, "incompatible_content_explanation": 2_000,
}  # fmt: skip
BY_GROUND = {
    ILLEGAL: ("illegal_content_legal_ground", "illegal_content_explanation"),
    INCOMPATIBLE: ("incompatible_content_ground", "incompatible_content_explanation"),
}
DATES = ("content_date", "application_date", *END_DATES.values())
_PUID = re.compile(r"[A-Za-z0-9_-]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class NoRestriction(Exception):
    """The violation recommends nothing that restricts, so there is no statement to make; the message says why."""


def dsa_statement(violation: Violation) -> dict[str, Any]:
    """The statement of a violation (the value of a record of `live.audit.violations`), ready for JSON.

    Raises:
        NoRestriction: nothing that leaves is a restriction in the DSA's sense, as when a rule only asks a reviewer.
    """
    decisions = _decisions(violation)
    region = str(violation["region"])
    return {
        **decisions,
        **_ground(violation),
        "content_type": ["CONTENT_TYPE_VIDEO", "CONTENT_TYPE_SYNTHETIC_MEDIA"]
        if _accuses(violation, "ai_presenter") or _accuses(violation, "product_media")
        else ["CONTENT_TYPE_VIDEO"],
        **_category(violation),
        **({"territorial_scope": [region]} if region in EEA else {}),
        "content_date": _date(violation["window"]["start_ms"]),
        "application_date": _date(violation["decided_at_ms"]),
        "decision_facts": violation["statement"]["facts_text"][: CHARS_MAX["decision_facts"]],
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes" if violation["statement"]["automated_detection"] else "No",
        "automated_decision": _automation(violation),
        "puid": violation["violation_id"],
    }


def _decisions(violation: Violation) -> dict[str, Any]:
    """`decision_*` and, where every action of a field has a term, when it ends."""
    by_field: dict[str, list[tuple[str, int | None]]] = {}
    unnamed = []
    for action in violation["actions"]:
        dsa = ACTIONS[action["action"]].dsa
        if dsa is None:
            continue
        by_field.setdefault(dsa[0], []).append((dsa[1], action.get("until_ms")))
        if dsa[1] == VISIBILITY_OTHER:
            unnamed.append(str(action["action"]).replace("_", " "))
    if not by_field:
        named = ", ".join(action["action"] for action in violation["actions"]) or "nothing"
        raise NoRestriction(f"{violation['transition']} in {violation['mode']} mode recommends {named}: no restriction")
    out: dict[str, Any] = {}
    for field, found in by_field.items():
        values = sorted({value for value, _ in found})
        out[field] = values if field in LISTS else values[-1]  # a termination outweighs a suspension
        ends = [until_ms for _, until_ms in found if until_ms is not None]
        if len(ends) == len(found):
            out[END_DATES[field]] = _date(max(ends))
    if unnamed:
        out["decision_visibility_other"] = ", ".join(unnamed)
    return out


def _ground(violation: Violation) -> dict[str, str]:
    ground = ILLEGAL if violation["policy"]["id"] in LAW else INCOMPATIBLE
    rule = violation["rule"]
    what, why = BY_GROUND[ground]
    explanation = f"{rule['id']}: {rule['title']}. {violation['statement']['ground']}"
    return {
        "decision_ground": ground,
        what: str(rule["basis"]["text"])[: CHARS_MAX[what]],
        why: explanation[: CHARS_MAX[why]],
    }


def _category(violation: Violation) -> dict[str, Any]:
    likeness = violation["facts"].get("likeness", {})
    if _accuses(violation, "likeness") and likeness.get("consent") == "none":
        return {"category": FRAUD, "category_specification": ["KEYWORD_IMPERSONATION_ACCOUNT_HIJACKING"]}
    if _accuses(violation, "product_media"):
        return {"category": CONSUMER, "category_specification": ["KEYWORD_MISLEADING_INFO_GOODS_SERVICES"]}
    return {"category": OTHER_TERMS}


def _accuses(violation: Violation, fact: str) -> bool:
    """Whether a fact that the rule read speaks against the room."""
    return str(violation["facts"].get(fact, {}).get("certainty", "none")) != "none"


def _automation(violation: Violation) -> str:
    if not violation["statement"]["automated_decision"]:
        return "AUTOMATED_DECISION_NOT_AUTOMATED"
    asks = any(action["action"] == "review" for action in violation["actions"])
    asks = asks and not violation.get("review_sample")  # a sample is looked at afterwards
    return f"AUTOMATED_DECISION_{'PARTIALLY' if asks else 'FULLY'}"


def _date(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


# --- the database's own rules ---


def faults(statement: Mapping[str, Any]) -> list[str]:
    """What the database would refuse: `field: what`. Empty when it would take the statement."""
    found = [f"{field}: is required" for field in REQUIRED if not statement.get(field)]
    if not any(statement.get(field) for field in END_DATES):
        found.append("decision_*: at least one of visibility, monetary, provision, account is required")
    found += _grounds(statement)
    for field, other in ((VISIBILITY, "decision_visibility_other"), (MONETARY, "decision_monetary_other")):
        said = any(str(value).endswith("_OTHER") for value in _values(statement, field))
        if said != bool(statement.get(other)):
            found.append(f"{other}: stands exactly where {field} is OTHER")
    for field, value in statement.items():
        found += _wrong(field, value)
    return found


def _grounds(statement: Mapping[str, Any]) -> list[str]:
    """Each ground has two fields of its own, and none of the other's."""
    found = []
    for ground, fields in BY_GROUND.items():
        for field in fields:
            if bool(statement.get(field)) != (statement.get("decision_ground") == ground):
                found.append(f"{field}: stands exactly where decision_ground is {ground}")
    return found


def _wrong(field: str, value: object) -> Iterable[str]:
    if field in LISTS and not isinstance(value, list):
        yield f"{field}: must be a list"
    elif field in ENUMS:
        values = value if isinstance(value, list) else [value]
        yield from (f"{field}: unknown value {one!r}" for one in values if one not in ENUMS[field])
    elif field in DATES:
        if not isinstance(value, str) or _DATE.fullmatch(value) is None:
            yield f"{field}: must be a date, YYYY-MM-DD"
    elif field not in CHARS_MAX:
        yield f"{field}: no such field"
    elif not isinstance(value, str) or not 0 < len(value) <= CHARS_MAX[field]:
        yield f"{field}: must be a text of 1 to {CHARS_MAX[field]} characters"
    elif field == "puid" and _PUID.fullmatch(value) is None:
        yield "puid: only A-Z, a-z, 0-9, - and _ are allowed"


def _values(statement: Mapping[str, Any], field: str) -> list[Any]:
    value = statement.get(field) or []
    return value if isinstance(value, list) else [value]
