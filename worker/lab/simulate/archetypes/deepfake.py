"""A celebrity's face and voice over a seller's: labelled, registered and driven, but the celebrity never agreed."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.archetypes.avatar_driven import label, watermark
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage


def build(stage: Stage) -> None:
    """All that the rules ask of an avatar, but the consent of the person whose face it wears."""
    label(stage)
    stage.after(
        5 * SECOND_MS,
        lambda: stage.emit(
            "registration.state",
            host_id=stage.plan.host_id,
            avatar_registered=True,
            driver_verified=True,
            likeness_consent=False,
            registry_offset=stage.plan.seed % 1000,
        ),
    )
    stage.every(5 * MINUTE_MS, lambda: watermark(stage), first_ms=MINUTE_MS)
    stage.every(3 * MINUTE_MS, lambda: likeness(stage, "celebrity", "none"), first_ms=2 * MINUTE_MS)
    human(stage)


def likeness(stage: Stage, person_id: str, consent: str) -> None:
    """Whom the host looks like, and what that person has agreed to."""
    stage.emit("likeness.match", person_id=person_id, similarity=0.97, consent=consent)


ARCHETYPE = Archetype(
    name="deepfake",
    title="celebrity's face without consent",
    honest=False,
    platform="douyin",
    build=build,
    expects=("CN-LIKE-01",),
)
