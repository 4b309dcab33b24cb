"""A recording played once whose bought viewers ask, on a schedule, just what it answers next: interaction that is none.

Real viewers ask as well, and nobody answers them.
"""

from worker.lab.simulate.archetype import Archetype, audience, machines
from worker.lab.simulate.hosts import Take
from worker.lab.simulate.stage import SECOND_MS, Stage
from worker.lab.simulate.text import Speaker

BOTS = 8
ASKED_EVERY_MS = 30 * SECOND_MS
FAILS = 0.97


class Fed(Take):
    """The take, and the bots who know what it says."""

    def __init__(self, stage: Stage, speaker: Speaker) -> None:
        self._asked = 0
        self._cues: list[str] = []
        super().__init__(stage, speaker)
        stage.every(ASKED_EVERY_MS, self._ask)

    def _ask(self) -> None:
        comment = self._speaker.question()
        bot = self._asked % BOTS
        self._asked += 1
        self._cues.append(comment.answer)
        self._stage.emit("viewer.comment", comment_id=f"b{self._asked}", viewer_id=f"bot{bot:04d}", text=comment.text)

    def _text(self) -> str:
        return self._cues.pop(0) if self._cues else super()._text()


def build(stage: Stage) -> None:
    """The fed recording before viewers of its own and real ones."""
    speaker = audience(stage)
    machines(stage, fails=FAILS, is_human=False)
    Fed(stage, Speaker(stage.rng("mind"), speaker.goods))


ARCHETYPE = Archetype(
    name="fed_recording",
    title="recording that bots ask what it answers",
    honest=False,
    platform="wechat_channels",
    build=build,
)
