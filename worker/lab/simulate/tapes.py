"""What plays in place of a host, or beside one: recordings in a loop, single takes, product films."""

from functools import partial
from math import log
from random import Random

from worker.lab.simulate.hosts import CHARS_PER_SECOND, Host, speak
from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Speaker

RECORDED_GAP_MS = 1_200
MISHEARD = 0.01  # share of characters that speech recognition hears otherwise the next time
BOTS = 8
ASKED_EVERY_MS = 30 * SECOND_MS
FILM_EVERY_MS = 30 * MINUTE_MS
FILM_MS = 3 * MINUTE_MS
FILM_GAP_MS = 800
FILM_SEGMENT = 1_000_000  # number of the film's first segment, apart from the host's own


def _recorded_gap_ms(stage: Stage, rng: Random) -> float:
    """A pause in a recording, at the room's pace."""
    usual_ms = max(RECORDED_GAP_MS, stage.plan.pace.gap_ms)
    return min(rng.lognormvariate(log(usual_ms), 0.8), max(20 * SECOND_MS, 4 * usual_ms))


class Recording:
    """A recording of a host, played in a loop: the same segments at the same places in every round.

    `period_ms` is the length of one round; the recording is made with `manner` before an audience of its own,
    so it holds answers to other people's questions. It starts now, with segment number `first_segment`.
    """

    def __init__(self, stage: Stage, speaker: Speaker, *, period_ms: int, first_segment: int = 0) -> None:
        self._stage = stage
        self._first_segment = first_segment
        self._rng = stage.rng("recording")
        self._speaker = speaker
        self._period_ms = period_ms
        self._segments = 0
        self._tape: list[tuple[int, int, str]] = []  # end within the round, length, text
        at = 2 * SECOND_MS
        while True:
            text = speaker.talk() if self._rng.random() < 0.8 else speaker.question().answer
            length = max(1_200, int(len(text) / CHARS_PER_SECOND * SECOND_MS))
            if at + length >= period_ms:
                break
            self._tape.append((at + length, length, text))
            at += length + int(_recorded_gap_ms(stage, self._rng))
        self._round_ms = stage.now_ms
        self._place = 0
        self._wind()

    def _wind(self) -> None:
        """Put the next segment of the tape on the agenda."""
        if self._place == len(self._tape):
            self._place = 0
            self._round_ms += self._period_ms
        end, length, text = self._tape[self._place]
        self._stage.after(self._round_ms + end - self._stage.now_ms, lambda: self._play(length, text))

    def _play(self, length_ms: int, text: str) -> None:
        number = self._first_segment + self._segments
        speak(self._stage, self._rng, number, length_ms, self._speaker.misheard(text, MISHEARD))
        self._segments += 1
        self._place += 1
        self._wind()


class Take:
    """A recording of any length that is played once, made up as it goes: nothing of it is kept."""

    def __init__(self, stage: Stage, speaker: Speaker) -> None:
        self._stage = stage
        self._rng = stage.rng("recording")
        self._speaker = speaker
        self._segments = 0
        stage.after(2 * SECOND_MS, self._next)

    def _text(self) -> str:
        return self._speaker.talk() if self._rng.random() < 0.8 else self._speaker.question().answer

    def _next(self) -> None:
        text = self._text()
        length_ms = max(1_200, int(len(text) / CHARS_PER_SECOND * SECOND_MS))
        self._stage.after(length_ms, lambda: self._play(length_ms, text))

    def _play(self, length_ms: int, text: str) -> None:
        speak(self._stage, self._rng, self._segments, length_ms, text)
        self._segments += 1
        self._stage.after(_recorded_gap_ms(self._stage, self._rng), self._next)


class CuedTake(Take):
    """A take that answers next what its bots have just asked, on a schedule."""

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


class Film:
    """A product film that an honest host lets run every half an hour, and is quiet meanwhile; not during breaks."""

    def __init__(self, stage: Stage, host: Host) -> None:
        self._stage, self._host = stage, host
        self._rng = stage.rng("film")
        self._speaker = Speaker(self._rng)
        self._segments = FILM_SEGMENT
        self._tape: list[tuple[int, int, str]] = []  # end within the film, length, text
        at = FILM_GAP_MS
        while True:
            text = self._speaker.talk()
            length = int(len(text) / CHARS_PER_SECOND * SECOND_MS)
            if at + length > FILM_MS:
                break
            self._tape.append((at + length, length, text))
            at += length + FILM_GAP_MS
        stage.every(FILM_EVERY_MS, self._run, first_ms=self._rng.randint(5 * MINUTE_MS, FILM_EVERY_MS))

    def _run(self) -> None:
        if self._stage.paused:
            return
        self._host.hush(FILM_MS)
        for end, length, text in self._tape:
            self._stage.after(end, partial(self._say, length, text))

    def _say(self, length_ms: int, text: str) -> None:
        speak(self._stage, self._rng, self._segments, length_ms, self._speaker.misheard(text, MISHEARD))
        self._segments += 1
