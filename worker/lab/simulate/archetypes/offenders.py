"""Real people who break a rule in person: by what they sell or say, whom they play, or what they alter."""

from worker.lab.simulate import words
from worker.lab.simulate.archetype import Archetype
from worker.lab.simulate.host_models import talks
from worker.lab.simulate.markers import Marker, once
from worker.lab.simulate.stage import MINUTE_MS, Stage

FLAGGED_EVERY_MS = 6 * MINUTE_MS


def _flagged(kind: str, conduct: str) -> Marker:
    """A classifier flags the persona every 6 min, each time with another confidence."""

    def schedule(stage: Stage) -> None:
        rng = stage.rng("classifier")

        def flag() -> None:
            confidence = round(rng.uniform(0.88, 0.98), 3)
            stage.emit("persona.flag", kind=kind, conduct=conduct, confidence=confidence)

        stage.every(FLAGGED_EVERY_MS, flag)

    return schedule


def _persona(kind: str, conduct: str, title: str, rule: str) -> Archetype:
    """One of the three persona abuses that Douyin names."""
    return Archetype(
        name=f"persona_{kind}",
        title=title,
        platform="douyin",
        expects=(rule,),
        host=talks(special=words.PERSONA[kind], special_share=0.3),
        late_markers=(_flagged(kind, conduct),),
    )


ROWS = (
    # Teaches it, too.
    Archetype(
        name="software_seller",
        title="sells virtual-host software",
        platform="wechat_channels",
        expects=("WX-SOFT-01",),
        host=talks(special=words.SOFTWARE_SALES, special_share=0.35),
        room_title="无人直播系统教学",
    ),
    _persona("foreign", "patriotism", "fake foreigner who praises China", "DY-PERSONA-01"),
    _persona("elite", "courses", "fake elite who sells courses", "DY-PERSONA-03"),
    _persona("attractive", "private_traffic", "attractive bait for private chats", "DY-PERSONA-02"),
    # The hash no longer matches what is shown.
    Archetype(
        name="tampered",
        title="altered provenance manifest",
        platform="douyin",
        expects=("CN-TAMPER-01",),
        late_markers=(
            once(
                "provenance.read",
                at_ms=4 * MINUTE_MS,
                source="c2pa",
                trusted=True,
                tampered=True,
                digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic",
                status=["assertion.bmffHash.mismatch"],
            ),
        ),
    ),
)
