"""A decision as a record of `live.audit.violations`: CloudEvents 1.0, binary mode, deterministic to the byte.

The same decision about the same room always gives the same bytes: keys stand in a fixed order, times are event times.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from worker.audit.calibration import CALIBRATION_VERSION
from worker.audit.evidence import Level
from worker.audit.facts import Certainty
from worker.audit.marks import Excerpt
from worker.audit.room import Room
from worker.egress.statement import statement_of
from worker.policy.model import Control, Decision
from worker.records import OutRecord
from worker.topics import VIOLATIONS_TOPIC

SCHEMA = "urn:stream-audit:live.audit.violations:v1"
EXCERPTS_MAX, EXCERPT_CHARS_MAX = 5, 120


def encode_violation(
    room: Room,
    decision: Decision,
    *,
    topic: str,
    partition: int,
    first_offset: int,
    last_offset: int,
    control: Control,
    caused_ms: int = 0,
) -> OutRecord:
    """Encode a decision about a room. `topic`, `partition` and offsets name the part of the room's log.

    `caused_ms` is the timestamp of the log's record that led to it, in Unix ms.
    """
    value = {
        "violation_id": decision.violation_id,
        **({"supersedes": decision.supersedes} if decision.supersedes else {}),
        "transition": decision.kind,
        "step": decision.step,
        **_whom(room, decision),
        **_under_what(decision),
        **_how_sure(decision),
        "actions": [
            {
                "action": a.action,
                **({"until_ms": a.until_ms} if a.until_ms is not None else {}),
                **({"territory": a.territory} if a.territory else {}),
            }
            for a in decision.actions
        ],
        "withheld": [{"action": w.action, "because": w.because} for w in decision.withheld],
        **_exemption(decision),
        **({"review_sample": True} if decision.sampled else {}),
        **_review(decision),
        "window": {"start_ms": decision.window_start_ms, "end_ms": decision.decided_at_ms},
        "decided_at_ms": decision.decided_at_ms,
        "facts": dict(decision.facts),
        **_statistics(decision),
        "counterfactual": list(decision.counterfactual),
        "excerpts": _excerpts(room, decision),
        "log": {
            "topic": topic,
            "partition": partition,
            "first_offset": max(0, first_offset if decision.former is None else decision.former.first_offset),
            "last_offset": max(0, last_offset),
        },
        "control": {
            "policies": control.policies,
            "registry": control.registry,
            **_calibration(decision),
            "trust": control.trust,
        },
        "statement": statement_of(decision, (decision.former or room.session).region)._asdict(),
    }
    return OutRecord(
        VIOLATIONS_TOPIC,
        room.room_id.encode(),
        orjson.dumps(value),
        _headers(room, decision),
        decision.decided_at_ms,
        caused_ms,
    )


def _calibration(decision: Decision) -> dict[str, str]:
    """Which tables gave the ranks, where detectors' looks are part of the evidence."""
    looked = any(e.signal in ("voice", "visual") for e in decision.evidence)
    return {"calibration": CALIBRATION_VERSION} if looked else {}


def _headers(room: Room, decision: Decision) -> list[tuple[str, bytes]]:
    time = datetime.fromtimestamp(decision.decided_at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", decision.violation_id.encode()),
        ("ce_type", f"live.audit.violation.{decision.kind}.v1".encode()),
        ("ce_source", f"urn:stream-audit:{(decision.former or room.session).platform}".encode()),
        ("ce_subject", room.room_id.encode()),
        ("ce_time", time.replace("+00:00", "Z").encode()),
        ("ce_dataschema", SCHEMA.encode()),
        ("content-type", b"application/json"),
    ]


def _whom(room: Room, decision: Decision) -> dict[str, Any]:
    of = decision.former or room.session
    return {
        "platform": of.platform,
        "region": of.region,
        "room_id": room.room_id,
        "session_id": decision.session_id,
        "host_id": of.host_id,
        **({"operator_id": of.operator_id} if of.operator_id else {}),
        "shop_ids": [{"system": shop.system, "id": shop.id} for shop in of.shop_ids],
    }


def _under_what(decision: Decision) -> dict[str, Any]:
    rule, policy = decision.rule, decision.policy
    basis = {
        "text": rule.basis.text,
        "source": rule.basis.source,
        "status": rule.basis.status,
        "since": rule.basis.since,
    }
    return {
        "rule": {"id": rule.id, "title": rule.title, "severity": rule.severity, "basis": basis},
        "policy": {"id": policy.id, "version": policy.version, "sha256": policy.sha256},
        "mode": decision.mode,
    }


def _how_sure(decision: Decision) -> dict[str, Any]:
    return {
        **({"family": decision.family} if decision.family else {}),
        **({"level": Level(decision.level).name.lower()} if decision.level else {}),
        "certainty": Certainty(decision.certainty).name.lower(),
    }


def _exemption(decision: Decision) -> dict[str, Any]:
    exempt = decision.exemption
    if exempt is None:
        return {}
    return {"exemption": {"of": exempt.whom, "reason": exempt.reason, "until_ms": exempt.until_ms}}


def _review(decision: Decision) -> dict[str, Any]:
    by = decision.by_review
    return {} if by is None else {"review": {"review_id": by.review_id, "by": by.by, "outcome": by.outcome}}


def _statistics(decision: Decision) -> dict[str, Any]:
    return {
        "evidence": [
            {
                "signal": e.signal,
                "nats": e.nats,
                "value": e.value,
                "norm": e.norm,
                "blocks": e.blocks,
                "since_ms": e.since_ms,
            }
            for e in decision.evidence
        ],
        "log_e": decision.log_e,
        "threshold": decision.threshold,
    }


def _excerpts(room: Room, decision: Decision) -> list[dict[str, Any]]:
    """What the room's present session quotes; nothing of it belongs to a decision about a former one."""
    return [_excerpt(e) for e in room.session.excerpts[-EXCERPTS_MAX:]] if decision.former is None else []


def _excerpt(excerpt: Excerpt) -> dict[str, Any]:
    return {
        "at_ms": excerpt.at_ms,
        "kind": excerpt.kind,
        "text": excerpt.text[:EXCERPT_CHARS_MAX],
        "offset": max(0, excerpt.offset),
    }
