"""The three persona abuses that Douyin names: fake foreigner, fake elite, attractive bait."""

from worker.lab.simulate import words
from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.stage import MINUTE_MS, Stage


def _archetype(kind: str, conduct: str, title: str, rule: str) -> Archetype:
    def build(stage: Stage) -> None:
        human(stage, special=words.PERSONA[kind], special_share=0.3)
        rng = stage.rng("classifier")

        def flag() -> None:
            confidence = round(rng.uniform(0.88, 0.98), 3)
            stage.emit("persona.flag", kind=kind, conduct=conduct, confidence=confidence)

        stage.every(6 * MINUTE_MS, flag)

    return Archetype(
        name=f"persona_{kind}",
        title=title,
        honest=False,
        platform="douyin",
        build=build,
        expects=(rule,),
    )


FOREIGN = _archetype("foreign", "patriotism", "fake foreigner who praises China", "DY-PERSONA-01")
ATTRACTIVE = _archetype("attractive", "private_traffic", "attractive bait for private chats", "DY-PERSONA-02")
ELITE = _archetype("elite", "courses", "fake elite who sells courses", "DY-PERSONA-03")
