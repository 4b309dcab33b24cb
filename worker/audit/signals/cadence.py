"""`cadence`: the pauses between speech segments are too even, and none is long, as when speech is read or made.

Two indicators share the weight, by averaging: the burstiness of the pauses (`audit.timing`), and the share of pauses
above a second, each below its human 1 % quantile (`audit.calibration`, provisional). So Y is 0, ½ or 1. A stratum for
reviewers: its norm is not audited, so it bets in no family. The last 128 to 256 pauses count.

Abstains: fewer than thirty pauses, as where segments carry no times. Evasion: inserted pauses. Cost: 0.5 µs a segment.
"""

from worker.audit import timing
from worker.audit.calibration import BURSTINESS_LOW, LONG_PAUSES_LOW
from worker.audit.events import HostSpeech
from worker.audit.room import LATENESS_MS, UNTIMED, Room, Utterance
from worker.audit.timing import Pauses

PAUSES_MIN = 30


def took_ms(event: HostSpeech, told_ms: int) -> int:
    """How long a segment took that had been said at `told_ms`; UNTIMED when its times cannot be meant: it ended at
    another time, or it took more than a minute."""
    took_ms = event.end_ms - event.start_ms
    return took_ms if event.end_ms == told_ms and 0 <= took_ms <= LATENESS_MS else UNTIMED


def began_ms(utterance: Utterance) -> int:
    """When a segment began; when it was recognised, if nobody knows."""
    return utterance.at_ms - utterance.took_ms if utterance.took_ms != UNTIMED else utterance.at_ms


def fold(room: Room, speech: list[Utterance]) -> None:
    """Fold one pane's speech, by time."""
    for utterance in speech:
        if utterance.took_ms != UNTIMED:
            if room.session.pauses is None:
                room.session.pauses = Pauses()
            timing.note_speech(room.session.pauses, began_ms(utterance), utterance.at_ms)


def value(room: Room) -> float | None:
    """0, ½ or 1; None with few pauses."""
    pauses = room.session.pauses
    if pauses is None or pauses.count < PAUSES_MIN:
        return None
    even = timing.burstiness(pauses)
    if even is None:
        return None
    return (float(even < BURSTINESS_LOW) + float(pauses.long / pauses.count < LONG_PAUSES_LOW)) / 2
