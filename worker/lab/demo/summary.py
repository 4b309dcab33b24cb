"""What happened in a demo, beside what is true of its rooms."""

from typing import Any

import msgspec

from worker.lab.demo.play import Play

ACCOUNTING = ("read", "applied", "duplicate", "late", "foreign", "replay_skipped", "rejected")


def facts_of(play: Play, *, kept: bool = False) -> dict[str, Any]:
    """Return the facts of a demo as plain values; of one that is `kept` up also where its broker and metrics are.

    `violations` and `missed` hold live rules by room. Shadow rules that opened on honest rooms are counted apart.
    """
    live: dict[str, list[str]] = {room_id: [] for room_id in play.rows}
    shadow: dict[str, list[str]] = {}
    opened: list[dict[str, Any]] = []
    for line in play.seen:
        violation = msgspec.json.decode(line.value)
        if violation["transition"] != "opened" or line.key not in live:
            continue
        if violation["mode"] == "live":
            opened.append(violation)
            live[line.key].append(violation["rule"]["id"])
        elif play.rows[line.key].truth.honest:
            shadow.setdefault(line.key, []).append(violation["rule"]["id"])
    honest = [row.truth.room_id for row in play.rows.values() if row.truth.honest]
    missed = {row.truth.room_id: sorted(set(row.truth.expects) - set(live[row.truth.room_id]))
              for row in play.rows.values()}  # fmt: skip
    return {
        "events": play.watcher.logged,
        "accounting": {name: int(play.metrics.get(f"{name}_total", 0)) for name in ACCOUNTING},
        "peak_events_per_s": round(play.peak_rate),
        "violations": {room_id: rules for room_id, rules in live.items() if rules},
        "records": len(play.seen),
        "repeats": play.watcher.repeats,
        "dead_letters": play.watcher.dead_letters,
        "honest_rooms": len(honest),
        "honest_rooms_touched": [room_id for room_id in honest if live[room_id]],
        "shadow_on_honest_rooms": shadow,
        "missed": {room_id: rules for room_id, rules in missed.items() if rules},
        "log": str(play.log_path),
        "violation_shown": _most_telling(opened),
        **({"bootstrap": play.bootstrap, "metrics": play.worker.metrics_url} if kept else {}),
    }


def _most_telling(opened: list[dict[str, Any]]) -> str:
    """The id of a violation that statistics led to, for it shows most; nothing when none opened."""
    if not opened:
        return ""
    best = max(opened, key=lambda violation: len(violation["evidence"]))
    return str(best["violation_id"])
