"""Hosts: how one talks, listens and answers.

No distribution of human answering delays is published; log-normal with a median of 4–20 s and σ of 0.5–1 is swept
(detection.md §4). A host finishes the sentence in hand first, so answers wait for the next pause.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from random import Random

from worker.lab.simulate.stage import MINUTE_MS, SECOND_MS, Stage
from worker.lab.simulate.text import Comment, Speaker

CHARS_PER_SECOND = 9.0
PATIENCE_MS = 60_000  # a question older than this is no longer answered
PENDING_MAX = 64


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a host behaves. `answers` and `thanks` are probabilities, `gap_ms` the median pause."""

    answers: float = 0.75
    thanks: float = 0.7
    delay_ms: float = 6_000
    delay_sigma: float = 0.7
    gap_ms: float = 1_200
    gap_sigma: float = 0.8
    medium: str = "voice"
    reports_reply: float = 0.5  # share of answers that the gateway also reports as host.reply
    breaks_per_hour: float = 0.4
    break_ms: tuple[int, int] = (3 * MINUTE_MS, 8 * MINUTE_MS)


class Host:
    """A host who speaks (or, with `talk` None, only answers when there is something to answer)."""

    def __init__(
        self,
        stage: Stage,
        speaker: Speaker,
        manner: Manner,
        talk: Callable[[], str] | None = None,
        first_segment: int = 0,
    ) -> None:
        self._stage = stage
        self._speaker = speaker
        self._manner = manner
        self._ln_gap = log(max(manner.gap_ms, stage.plan.pace.gap_ms))
        self._talk = talk
        self._rng = stage.rng("host")
        self._pending: list[tuple[int, str, str]] = []  # heard at, comment id, what to say
        self._speaking = False
        self._segments = first_segment
        self._gone = False
        self._quiet_until_ms = 0
        stage.on_comment.append(self._hear)
        stage.on_gift.append(self._gifted)
        if talk is not None:
            stage.after(2 * SECOND_MS, self._next)
        self._plan_break()

    def _plan_break(self) -> None:
        rate = self._manner.breaks_per_hour
        if rate > 0:
            self._stage.after(self._rng.expovariate(rate / (60 * MINUTE_MS)), self._break)

    def leave(self) -> None:
        """The host goes for good, in the middle of the broadcast and without a word."""
        self._gone = True
        self._pending.clear()

    def hush(self, length_ms: int) -> None:
        """The host says nothing new for `length_ms`."""
        self._quiet_until_ms = self._stage.now_ms + length_ms

    def _break(self) -> None:
        if self._gone:
            return
        length = self._rng.uniform(*self._manner.break_ms)
        self._stage.pause(length)
        self._pending.clear()
        self._plan_break()

    def _hear(self, comment_id: str, comment: Comment) -> None:
        if comment.answer and self._rng.random() < self._manner.answers:
            self._want(comment_id, self._speaker.answer(comment.answer))

    def _gifted(self, viewer_id: str) -> None:
        if self._rng.random() < self._manner.thanks:
            self._want("", self._speaker.thanks())
            if self._rng.random() < 0.5:
                self._stage.after(
                    3 * SECOND_MS,
                    lambda: self._stage.emit("host.action", kind="thank_gift", target=viewer_id),
                )

    def _want(self, comment_id: str, text: str) -> None:
        """After a delay, the answer is on the tip of the tongue."""
        if self._gone or self._stage.paused or len(self._pending) >= PENDING_MAX:
            return
        delay = self._rng.lognormvariate(log(self._manner.delay_ms), self._manner.delay_sigma)
        heard_ms = self._stage.now_ms
        self._stage.after(delay, lambda: self._ready(heard_ms, comment_id, text))

    def _ready(self, heard_ms: int, comment_id: str, text: str) -> None:
        if self._gone:
            return
        self._pending.append((heard_ms, comment_id, text))
        if self._talk is None and not self._speaking:
            self._next()

    def _next(self) -> None:
        """The next thing out of the host's mouth (or hands): an answer first, else talk."""
        stage, manner = self._stage, self._manner
        if self._gone:
            return
        if stage.now_ms < self._quiet_until_ms:
            stage.after(self._quiet_until_ms - stage.now_ms, self._next)
            return
        if stage.paused:
            if self._talk is not None:
                stage.after(5 * SECOND_MS, self._next)
            return
        self._pending = [p for p in self._pending if stage.now_ms - p[0] <= PATIENCE_MS]
        if self._pending:
            _, comment_id, text = self._pending.pop(0)
            if manner.medium != "voice" or self._rng.random() < manner.reports_reply:
                reply: dict[str, object] = {"medium": manner.medium}
                if comment_id:
                    reply["comment_id"] = comment_id
                stage.emit("host.reply", **reply)
            self._say(text, aloud=manner.medium == "voice")
        elif self._talk is not None:
            self._say(self._talk(), aloud=True)

    def _say(self, text: str, *, aloud: bool) -> None:
        length_ms = max(1_200.0, len(text) / CHARS_PER_SECOND * SECOND_MS * self._rng.uniform(0.85, 1.2))
        self._speaking = True
        self._stage.after(length_ms, lambda: self._said(text, int(length_ms), aloud))

    def _said(self, text: str, length_ms: int, aloud: bool) -> None:
        if self._gone:
            return
        self._speaking = False
        if aloud:
            speak(self._stage, self._rng, self._segments, length_ms, text)
            self._segments += 1
        gap = self._rng.lognormvariate(self._ln_gap, self._manner.gap_sigma)
        if self._talk is not None or self._pending:
            self._stage.after(min(gap, 30 * SECOND_MS), self._next)


def speak(stage: Stage, rng: Random, number: int, length_ms: int, text: str) -> None:
    """Emit one segment of recognised speech that ends now."""
    stage.emit(
        "host.speech",
        segment_id=f"g{number}",
        start_ms=stage.now_ms - length_ms,
        end_ms=stage.now_ms,
        text=text,
        confidence=round(rng.uniform(0.82, 0.99), 3),
        **({"voice_id": f"voice-{shared}"} if (shared := stage.plan.setting.voice) else {}),
    )


class Script:
    """A sales script said by a human again and again: sections in changing order, lines left out or added to."""

    def __init__(self, rng: Random, speaker: Speaker, sections: int = 8, lines: int = 6) -> None:
        self._rng = rng
        self._speaker = speaker
        self._sections = [[speaker.talk() for _ in range(lines)] for _ in range(sections)]
        self._queue: list[str] = []

    def __call__(self) -> str:
        rng = self._rng
        while not self._queue:
            order = list(self._sections)
            rng.shuffle(order)
            self._queue = [line for section in order for line in section if rng.random() > 0.15]
        line = self._queue.pop(0)
        draw = rng.random()
        if draw < 0.3:
            return self._speaker.talk()
        if draw < 0.6:
            return f"{line}，{self._speaker.thanks() if rng.random() < 0.1 else self._speaker.talk()[:20]}"
        return line
