"""What the log of a simulated room reports on a schedule: labels, registry, watermarks, likeness, the frame.

A table of archetypes names markers in the fields `markers` and `late_markers`. Times are ms after the opening.
"""

from collections.abc import Callable

from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage

Marker = Callable[[Stage], None]
"""Puts its events on the agenda of a stage."""

LABEL_EVERY_MS = 5 * MINUTE_MS
FRAME_EVERY_MS = 30 * SECOND_MS
REGISTERED_MS = 5 * SECOND_MS


def once(event: str, /, *, at_ms: int, **fields: object) -> Marker:
    """One event at `at_ms`."""
    return lambda stage: stage.after(at_ms, lambda: stage.emit(event, **fields))


def every(period_ms: int, event: str, /, *, first_ms: int | None = None, **fields: object) -> Marker:
    """The same event each `period_ms`, the first time at `first_ms` (default: one period)."""
    return lambda stage: stage.every(period_ms, lambda: stage.emit(event, **fields), first_ms=first_ms)


def label() -> Marker:
    """A label on screen from the first second on, reported again every 5 min."""
    fields: dict[str, object] = {"kind": "digital_human", "visible": True, "by": "host", "area_ratio": 0.06}
    return every(LABEL_EVERY_MS, "label.state", first_ms=1, **fields)


def registration(*, registered: bool, verified: bool, consent: bool) -> Marker:
    """What the registry says of avatar, driver and the person copied, a few seconds after the opening."""
    return lambda stage: stage.after(
        REGISTERED_MS,
        lambda: stage.emit(
            "registration.state",
            host_id=stage.plan.host_id,
            avatar_registered=registered,
            driver_verified=verified,
            likeness_consent=consent,
            registry_offset=stage.plan.seed % 1000,
        ),
    )


def watermark(period_ms: int, *, first_ms: int | None = None) -> Marker:
    """A generator's watermark, found on the presenter each `period_ms`."""
    fields: dict[str, object] = {"scheme": "synthid", "detector": "wm-audit", "outcome": "detected", "score": 0.97}
    return every(period_ms, "watermark.read", first_ms=first_ms, **fields)


def likeness(person_id: str, consent: str, period_ms: int, *, first_ms: int) -> Marker:
    """Whom the host looks like, and what that person has agreed to."""
    fields: dict[str, object] = {"person_id": person_id, "similarity": 0.97, "consent": consent}
    return every(period_ms, "likeness.match", first_ms=first_ms, **fields)


def frames(**ratios: float) -> Marker:
    """The same measurement of the picture every 30 s."""
    return every(FRAME_EVERY_MS, "frame.measured", first_ms=FRAME_EVERY_MS, **ratios)
