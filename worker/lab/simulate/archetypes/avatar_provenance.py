"""An avatar that reads a script, unlabelled, whose signed manifest says that a generator made the picture."""

from worker.lab.simulate.archetype import Archetype
from worker.lab.simulate.archetypes.avatar_watermark import unattended_avatar
from worker.lab.simulate.stage import MINUTE_MS, Stage


def build(stage: Stage) -> None:
    """The unattended avatar, and its manifest read every 5 min."""
    unattended_avatar(stage)
    stage.every(
        5 * MINUTE_MS,
        lambda: stage.emit(
            "provenance.read",
            source="c2pa",
            trusted=True,
            tampered=False,
            digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            status=["claimSignature.validated"],
        ),
        first_ms=3 * MINUTE_MS,
    )


ARCHETYPE = Archetype(
    name="avatar_provenance",
    title="avatar: unlabelled, its manifest says so",
    honest=False,
    platform="wechat_channels",
    build=build,
    expects=("WX-AVATAR-01", "CN-LABEL-01"),
)
