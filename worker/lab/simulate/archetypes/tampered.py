"""A room whose provenance manifest was altered: the hash no longer matches what is shown."""

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.stage import MINUTE_MS, Stage


def build(stage: Stage) -> None:
    human(stage)
    stage.after(
        4 * MINUTE_MS,
        lambda: stage.emit(
            "provenance.read",
            source="c2pa",
            trusted=True,
            tampered=True,
            digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic",
            status=["assertion.bmffHash.mismatch"],
        ),
    )


ARCHETYPE = Archetype(
    name="tampered",
    title="altered provenance manifest",
    honest=False,
    platform="douyin",
    build=build,
    expects=("CN-TAMPER-01",),
)
