"""The latest of a room as a record of `live.audit.rooms`: descriptor, signals, families, open episodes, counts."""

from typing import Any

import orjson

from worker.audit.calibration import CALIBRATION_VERSION
from worker.audit.evidence import DESIGNS, FAMILIES, Family, Level
from worker.audit.facts import Certainty
from worker.audit.room import BLOCK_MS, LATENESS_MS, Phase, Room
from worker.audit.signals import detectors, strata
from worker.policy.episodes import ACTIVE
from worker.records import OutRecord
from worker.topics import EVENTS_TOPIC, ROOMS_TOPIC

_STATES = {Phase.UNKNOWN: "live", Phase.LIVE: "live", Phase.PAUSED: "paused", Phase.CLOSED: "closed"}
_PER_BLOCK = ("AI", "NONINT")  # families that bet once a block; their share of blocks with data is the coverage


def encode_room(room: Room, *, topic: str = EVENTS_TOPIC) -> OutRecord:
    """The record of a room; `topic` is that of its log. Keys stand in a fixed order, times are event times."""
    families = [room.session.families[name] for name in FAMILIES if name in room.session.families]
    value = {
        "room_id": room.room_id,
        "session_id": room.session.id or None,
        "state": "closed" if room.session.off_appended_ms else _STATES[Phase(room.session.phase)],
        "descriptor": _descriptor(room) if room.session.host_id else None,
        "watermark_ms": max(0, room.watermark_ms),
        "last_at_ms": room.max_at_ms,
        "hold_ms": max(0, room.max_at_ms - room.watermark_ms - LATENESS_MS),
        **_last_block(room),
        "log": {"topic": topic, "partition": room.partition, "offset": max(0, room.offset)},
        "signals": {**_signals(families), **_strata(room)},
        "families": {
            family.name: {
                "log_e": family.log_e(),
                "level": Level(family.level).name.lower() if family.level else None,
            }
            for family in families
        },
        "episodes": _episodes(room),
        "coverage": _coverage(families),
        **_detectors(room),
        "challenges": _challenges(room),
        "counts": {name: getattr(room.session.counts, name) for name in room.session.counts.__struct_fields__},
    }
    return OutRecord(ROOMS_TOPIC, room.room_id.encode(), orjson.dumps(value), [], room.max_at_ms)


def _last_block(room: Room) -> dict[str, Any]:
    """How the last block that closed was supplied; nothing before one has closed."""
    inputs = room.session.inputs
    return {"last_block": dict(zip(("unclear", "late", "missing"), inputs, strict=True))} if inputs else {}


def _descriptor(room: Room) -> dict[str, Any]:
    return {
        "platform": room.session.platform,
        "region": room.session.region,
        "host_id": room.session.host_id,
        "operator_id": room.session.operator_id or None,
        "device_id": room.session.device_id or None,
        "ip_hash": room.session.ip_hash or None,
        "shop_ids": [{"system": shop.system, "id": shop.id} for shop in room.session.shop_ids],
        "selling": room.session.selling,
        "category": room.session.category or None,
        "started_at_ms": room.session.started_at_ms,
        "viewers": room.session.viewers,
        "title": room.session.title or None,
    }


def _signals(families: list[Family]) -> dict[str, Any]:
    """The newest value of each signal; AI and UNLABELLED share theirs, AI's are shown."""
    signals: dict[str, Any] = {}
    for family in families:
        for k, signal in enumerate(DESIGNS[family.name].signals):
            newest = {"value": family.prev[k], "blocks": family.blocks[k], "at_ms": family.last_ms}
            signals.setdefault(signal, newest)
    return signals


def _detectors(room: Room) -> dict[str, Any]:
    """What each detector said in the last block in which it looked, and by how much those of one signal differ."""
    return {
        "detectors": {
            "calibration": CALIBRATION_VERSION,
            "uncalibrated_looks": room.session.uncalibrated,
            "disagreement": {signal: detectors.disagreement(room, signal) for signal in ("voice", "visual")},
            "last": [
                {
                    "detector": one.detector,
                    "version": one.version,
                    "modality": one.modality,
                    "stratum": one.stratum or None,
                    "looks": one.looks,
                    "high": one.high,
                    "mean_rank": min(1.0, one.ranks / one.looks),
                    "end_ms": one.end_ms,
                }
                for one in room.session.detectors
            ],
        }
    }


def _challenges(room: Room) -> dict[str, int]:
    """The session's: requests of either action that fell due, and challenges as its log tells them."""
    asking = room.session.asking
    names = ("requests", "issued", "answered", "failed")
    return {name: getattr(asking, name) if asking is not None else 0 for name in names}


def _strata(room: Room) -> dict[str, Any]:
    """Signals that bet in no family, for people; those that abstain are left out."""
    return {name: {"value": value, "blocks": 0, "at_ms": room.max_at_ms} for name, value in strata.strata(room).items()}


def _episodes(room: Room) -> list[dict[str, Any]]:
    return [
        {
            "rule": episode.rule,
            "violation_id": episode.violation_id,
            "step": episode.step,
            "opened_ms": episode.opened_ms,
            "mode": episode.mode,
            "certainty": Certainty(episode.certainty).name.lower(),
        }
        for _, episode in sorted(room.episodes.items())
        if episode.state in ACTIVE
    ]


def _coverage(families: list[Family]) -> dict[str, float]:
    """Share of blocks in which a signal had data, over the blocks since its family's totals began."""
    coverage: dict[str, float] = {}
    for family in families:
        if family.name in _PER_BLOCK:
            blocks = max(1, (family.last_ms - family.since_ms) // BLOCK_MS)
            for k, signal in enumerate(DESIGNS[family.name].signals):
                coverage[signal] = min(1.0, family.blocks[k] / blocks)
    return coverage
