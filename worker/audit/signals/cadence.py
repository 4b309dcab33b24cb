"""`cadence`: the pauses between speech segments are too even, and none is long, as when speech is read or made.

Two indicators share the weight, by averaging: the burstiness of the pauses (`audit.timing`), and the share of pauses
above a second, each below its human 1 % quantile (`audit.calibration`, provisional). So Y is 0, ½ or 1. A stratum for
reviewers: its norm is not audited, so it bets in no family. The last 128 to 256 pauses count.

Abstains: fewer than thirty pauses, as where segments carry no times. Evasion: inserted pauses. Cost: COST_SEGMENT.
"""

from worker.audit import timing
from worker.audit.calibration import BURSTINESS_LOW, LONG_PAUSES_LOW
from worker.audit.room import LATENESS_MS, Room, Utterance
from worker.audit.timing import Pauses

PAUSES_MIN = 30


def timed(utterance: Utterance) -> bool:
    """Whether the times of a segment can be meant: it ended by the time at which it was recognised, a minute earlier at
    most, and took no longer than a minute."""
    ended_ms = utterance.at_ms - LATENESS_MS <= utterance.end_ms <= utterance.at_ms
    return ended_ms and 0 <= utterance.end_ms - utterance.start_ms <= LATENESS_MS


def fold(room: Room, speech: list[Utterance]) -> None:
    """Fold one pane's speech, by time."""
    for utterance in speech:
        if timed(utterance):
            if room.pauses is None:
                room.pauses = Pauses()
            timing.spoke(room.pauses, utterance.start_ms, utterance.end_ms)


def value(room: Room) -> float | None:
    """0, ½ or 1; None with few pauses."""
    pauses = room.pauses
    if pauses is None or pauses.count < PAUSES_MIN:
        return None
    even = timing.burstiness(pauses)
    if even is None:
        return None
    return (float(even < BURSTINESS_LOW) + float(pauses.long / pauses.count < LONG_PAUSES_LOW)) / 2
