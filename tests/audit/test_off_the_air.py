"""What is said around a close: it counts by when it was said, not by when it came."""

from tests.audit.build import T0, a_room, beat, ev
from tests.audit.test_sessions import close, send
from worker.audit import events as e
from worker.audit.sessions import Status


def test_rule_6_reconnecting_makes_no_block_abstain() -> None:
    room, spoken = a_room([beat(0)]), 0
    for at_ms in range(0, 300_000, 30_000):
        send(room, beat(at_ms), at_ms)
        for said_ms in range(at_ms, at_ms + 30_000, 2_000):
            closes = said_ms == at_ms + 20_000
            if closes:
                send(room, close(said_ms), said_ms)
            off = said_ms - at_ms >= 20_000
            said = ev(e.HostSpeech, said_ms, end_ms=T0 + said_ms - 5_000)
            spoken += send(room, said, said_ms + 1) is Status.APPLIED and off
    assert spoken > 10 and room.session.counts.late > 10
    assert not any(one.late_speech for one in room.session.arrived.values())
