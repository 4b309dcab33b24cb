"""Whether the clocks of a block agree: signals that join speech with what viewers and host do need that.

For every block that is open, its speech is one side, and its prompts and answers are the other. The delay of an event
is A less the time that it tells of, by its producer's clock. Signals that join both sides abstain in a block when

    late     at least 2 and more than 5 % of its speech, or of its answers, came behind the watermark
    clamped  a clock was more than 2 s ahead of A
    clocks   all of a side, or at least 2 and more than 5 %, are over 20 s above the least delay of the block

Delays are taken in whole seconds. Those up to 20 s above the least are counted one by one; those above it only
together, because a least that falls can never bring one back. So a block costs the same however much comes.

Abstains for wrong clocks, late recognisers and gateways that hold back. Evasion: a room whose clocks are always wrong
is judged without these signals; all others still bet, and its producer is told. Cost: 0.4 µs an event of either side.
"""

from worker.audit.room import BLOCK_MS, Arrived, Room, Session

BAND_S = 20
BAND_MS = 1_000 * BAND_S
"""What agreeing clocks may differ by. Speech may answer a prompt so long before it, and so long after its time."""
CLAMPED_MS = 2_000
CLOSED_MAX = 8
REASONS = ("late", "clamped", "clocks")
SPEECH, PROMPT, ANSWER = range(3)


def note(session: Session, side: int, at_ms: int, told_ms: int, delay_ms: int, late: bool) -> None:
    """Count one event of an open block: which side it is of, its effective time and the one that it tells of, A less
    its `at_ms` (negative if that was ahead), and whether it was late."""
    start_ms = session.block_start_ms
    into_ms = told_ms - start_ms
    if into_ms < 0:
        return
    if into_ms >= BLOCK_MS:
        start_ms = told_ms - into_ms % BLOCK_MS
    arrived = session.arrived.get(start_ms)
    if arrived is None:
        arrived = session.arrived[start_ms] = Arrived()
    if delay_ms < -CLAMPED_MS:
        arrived.clamped = True
    if side == SPEECH:
        arrived.late_speech += late
        delay_ms += at_ms - told_ms
        seconds = arrived.speech_s
    else:
        seconds = arrived.gateway_s
        if side == ANSWER:
            arrived.answers += 1
            arrived.late_answers += late
    second = delay_ms // 1000
    above_s = second - arrived.least_s
    if above_s < 0:
        arrived.least_s = second
        arrived.speech_over += _drop(arrived.speech_s, second + BAND_S)
        arrived.gateway_over += _drop(arrived.gateway_s, second + BAND_S)
    elif above_s > BAND_S:
        if side == SPEECH:
            arrived.speech_over += 1
        else:
            arrived.gateway_over += 1
        return
    seconds[second] = seconds.get(second, 0) + 1


def _drop(counts: dict[int, int], most_s: int) -> int:
    """Take out the delays above `most_s`; return how many there were."""
    gone = 0
    for second in [second for second in counts if second > most_s]:
        gone += counts.pop(second)
    return gone


def close(room: Room, start_ms: int) -> tuple[str, ...]:
    """Say why the block that began at `start_ms` must abstain, empty if it need not; drop what was counted of it.

    The session keeps how the block was supplied.
    """
    session = room.session
    arrived = session.arrived
    closed = arrived.pop(start_ms, None)
    for passed in [other for other in arrived if other < start_ms]:
        del arrived[passed]
    why = () if closed is None else _why(closed)
    session.inputs = (why, () if closed is None else _late(closed), _missing(room, closed, start_ms))
    session.closed = (*session.closed, why)[-CLOSED_MAX:]
    return why


def _why(arrived: Arrived) -> tuple[str, ...]:
    why = []
    speech = _spoken(arrived)
    if _late(arrived):
        why.append("late")
    if arrived.clamped:
        why.append("clamped")
    gateway = arrived.gateway_over
    for count in arrived.gateway_s.values():
        gateway += count
    apart = _are_apart(arrived.speech_over, speech) or _are_apart(arrived.gateway_over, gateway)
    if speech and gateway and apart:
        why.append("clocks")
    return tuple(why)


def _spoken(arrived: Arrived) -> int:
    """How many segments of speech came."""
    speech = arrived.speech_over
    for count in arrived.speech_s.values():
        speech += count
    return speech


def _late(arrived: Arrived) -> tuple[str, ...]:
    """The sources too much of which came late."""
    late = []
    if _many(arrived.late_speech, _spoken(arrived)):
        late.append("speech")
    if _many(arrived.late_answers, arrived.answers):
        late.append("gateway")
    return tuple(late)


def _missing(room: Room, arrived: Arrived | None, start_ms: int) -> tuple[str, ...]:
    """The sources of which nothing came: speech, looks that have a rank, or the gateway since the block began."""
    missing = []
    if arrived is None or not _spoken(arrived):
        missing.append("speech")
    if not room.session.block.voice_looks + room.session.block.visual_looks:
        missing.append("looks")
    if room.heard_ms < start_ms:
        missing.append("gateway")
    return tuple(missing)


def _many(some: int, of: int) -> bool:
    return some >= 2 and 20 * some > of


def _are_apart(over: int, of: int) -> bool:
    return over == of or _many(over, of)
