"""An honest host who lets a product film run every half an hour: three minutes that repeat to the word."""

from functools import partial

from worker.lab.simulate.archetype import Archetype, human
from worker.lab.simulate.hosts import CHARS_PER_SECOND, Host, speak
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Speaker

EVERY_MS = 30 * MINUTE_MS
LENGTH_MS = 3 * MINUTE_MS
GAP_MS = 800
MISHEARD = 0.01
FIRST_SEGMENT = 1_000_000  # apart from the host's own


class Film:
    """The film, and the host who is quiet while it runs; not during breaks."""

    def __init__(self, stage: Stage, host: Host) -> None:
        self._stage, self._host = stage, host
        self._rng = stage.rng("film")
        self._speaker = Speaker(self._rng)
        self._segments = FIRST_SEGMENT
        self._tape: list[tuple[int, int, str]] = []  # end within the film, length, text
        at = GAP_MS
        while True:
            text = self._speaker.talk()
            length = int(len(text) / CHARS_PER_SECOND * SECOND_MS)
            if at + length > LENGTH_MS:
                break
            self._tape.append((at + length, length, text))
            at += length + GAP_MS
        stage.every(EVERY_MS, self._run, first_ms=self._rng.randint(5 * MINUTE_MS, EVERY_MS))

    def _run(self) -> None:
        if self._stage.paused:
            return
        self._host.hush(LENGTH_MS)
        for end, length, text in self._tape:
            self._stage.after(end, partial(self._say, length, text))

    def _say(self, length_ms: int, text: str) -> None:
        speak(self._stage, self._rng, self._segments, length_ms, self._speaker.misheard(text, MISHEARD))
        self._segments += 1


def build(stage: Stage) -> None:
    """A talking host, and the film."""
    Film(stage, human(stage))


ARCHETYPE = Archetype(
    name="film",
    title="honest: a film every half an hour",
    honest=True,
    platform="wechat_channels",
    build=build,
)
