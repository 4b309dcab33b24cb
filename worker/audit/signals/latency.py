"""`latency`: the host's answers come after delays too regular for a person, and no later when many ask.

A delay runs from a question to the `host.reply` that names it, or to the beginning of the first speech that fits it
with words that are new (as in `unanswered`). Y = 1 when the standard deviation of ln delay is below the human 1 %
quantile (`audit.calibration`, provisional) and ln delay does not rise with the logarithm of how many asked in the
last 90 s: a person falls behind. A stratum for reviewers: its norm is not audited, so it bets in no family. The last
32 to 64 answers count.

Abstains: fewer than eight answers; blocks in which clocks disagree. Evasion: jitter; a queue is harder to fake. Cost:
2 µs an answer.
"""

from worker.audit import timing
from worker.audit.calibration import LATENCY_SPREAD_LOW
from worker.audit.room import Room
from worker.audit.timing import Delays

ANSWERS_MIN = 8
PER_BLOCK_MAX = 64


def note_answer(room: Room, asked_ms: int, at_ms: int, load: int) -> None:
    """A question of `asked_ms` was answered at `at_ms`, when `load` prompts were not older than 90 s; only the first
    answer to it counts, and only once its block has closed with clocks that agree (`audit.clocks`)."""
    block = room.session.block
    block.delays = (*block.delays, (asked_ms, at_ms, load))[-PER_BLOCK_MAX:]


def close(room: Room) -> None:
    """The block closes: take its answers over, unless clocks disagreed in it."""
    block = room.session.block
    if block.unclear or not block.delays:
        return
    if room.session.delays is None:
        room.session.delays = Delays()
    for asked_ms, at_ms, load in block.delays:
        timing.note_answer(room.session.delays, asked_ms, at_ms, load)


def value(room: Room) -> float | None:
    """1 when delays are regular and flat against load, else 0; None with few answers."""
    delays = room.session.delays
    if delays is None or delays.count < ANSWERS_MIN:
        return None
    return float(timing.spread(delays) < LATENCY_SPREAD_LOW and not timing.rises(delays))
