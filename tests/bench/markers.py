"""What a marker costs: CPU time of its function on one event, in a room that has lived for half an hour.

`python -m tests.bench.markers [--rounds 200]` prints µs an event of its kind, the least of all rounds: for one that
says what was said before, and for one that is news. Decoding, counting and what rules make of a changed fact are not in
it.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from time import process_time_ns
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.audit.build import MINUTE, T0, a_room, ev
from tests.bench.memory import speaking
from worker.audit import announce, labelled
from worker.audit import events as e
from worker.audit.facts import AiPresenter, Certainty, Fleet, Tamper
from worker.audit.markers import (
    fleet,
    frame,
    label,
    likeness,
    media,
    persona,
    presenter,
    provenance,
    registration,
    restriction,
    software,
    watermark,
)
from worker.audit.room import Room
from worker.audit.signals import unbroken

CALLS = 500
NOW = 30 * MINUTE
PLAIN = "放在桌上比一比后片比前片长一点正好遮住胯这批面料是从绍兴那边拉回来的库存尾料付完款的在公屏打一下"
HINT = "无论如何今天都要试一试" + PLAIN
TERM = "我们这套数字人软件教你怎么用现在下单有优惠" + PLAIN[:20]
Call = Callable[[Room], object]


def _apply(marker: Any, kind: type, **fields: Any) -> Call:
    """The handler of `marker` on events that differ by nothing but `fields`, of which lists are gone through."""
    lists = [name for name, value in fields.items() if isinstance(value, tuple)]
    count = max((len(fields[name]) for name in lists), default=1)
    turns = cycle(
        [ev(kind, NOW, **{n: v[i % len(v)] if n in lists else v for n, v in fields.items()}) for i in range(count)]
    )
    return lambda room: marker.apply(room, next(turns), 1, NOW)


def _unmarked(then: Call) -> Call:
    """The same in a room in which no marker has spoken yet."""

    def call(room: Room) -> None:
        room.session.marked, room.session.facts.ai_presenter, room.session.facts.tamper = (
            AiPresenter(),
            AiPresenter(),
            Tamper(),
        )
        then(room)

    return call


def _said(text: str, *, first: bool = False) -> Call:
    def call(room: Room) -> None:
        if first:
            room.session.mentions = ()
        software.read(room, text, T0 + NOW, "speech", 1)

    return call


def _absent(room: Room) -> None:
    room.session.absent_since_ms = T0 + NOW - 10 * MINUTE


def _fleets(count: int, kind: str = "voice") -> Callable[[Room], None]:
    held = tuple((f"{kind}:{i}", Fleet(kind, 2 + i, False, T0)) for i in range(count))
    return lambda room: announce.hold(room, held)


_hold_scripts = _fleets(16, "script")


def _read_no_more(room: Room) -> None:
    _hold_scripts(room)
    fleet.forget_scripts(room)


def _registered(room: Room) -> None:
    announce.ensure_ties(room).answered = True


def cases() -> Iterator[tuple[str, str, Call, Callable[[Room], object] | None]]:
    """(marker, event, what is called, what is set up before)."""
    ai = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    gb = {"source": "gb45438", "aigc": {"Label": "1", "ContentProducer": "x"}}
    upheld = [e.Upheld(f"R-{i}", T0) for i in range(3)]
    yield "watermark", "not detected", _apply(watermark, e.WatermarkRead, outcome="not_detected"), None
    yield "watermark", "detected again", _apply(watermark, e.WatermarkRead), None
    yield "watermark", "detected first", _unmarked(_apply(watermark, e.WatermarkRead)), None
    yield "provenance", "GB 45438 again", _apply(provenance, e.ProvenanceRead, **gb), None
    yield "provenance", "GB 45438 first", _unmarked(_apply(provenance, e.ProvenanceRead, **gb)), None
    c2pa = _apply(provenance, e.ProvenanceRead, source="c2pa", digital_source_type=ai)
    yield "provenance", "C2PA again", c2pa, None
    yield "provenance", "C2PA first", _unmarked(c2pa), None
    tampered = _apply(provenance, e.ProvenanceRead, source="c2pa", tampered=True, digital_source_type=ai)
    yield "provenance", "tampered first", _unmarked(tampered), None
    yield "label", "visible again", _apply(label, e.LabelState), None
    yield "label", "comes and goes", _apply(label, e.LabelState, visible=(True, False)), None
    yield "label", "refresh", labelled.refresh, _apply(label, e.LabelState)
    yield "registration", "again", _apply(registration, e.RegistrationState, host_id="h1"), _registered
    yield "registration", "3 upheld", _apply(registration, e.RegistrationState, upheld=upheld), _registered
    yield "frame", "same", _apply(frame, e.FrameMeasured, static_ratio=0.2), None
    yield "frame", "other ratios", _apply(frame, e.FrameMeasured, static_ratio=(0.1, 0.2)), None
    yield (
        "frame",
        "nobody there",
        _apply(frame, e.FrameMeasured, person_present=False, static_ratio=(0.1, 0.2)),
        _absent,
    )
    yield "frame", "other sound", _apply(frame, e.FrameMeasured, same_source_audio=(True, False)), None
    yield "frame", "refresh_idle", frame.refresh_idle, _absent
    yield "software", "plain segment", _said(PLAIN), None
    yield "software", "hint, no term", _said(HINT), None
    yield "software", "term, first", _said(TERM, first=True), None
    yield "software", "term, one of many", _said(TERM), None
    yield "likeness", "same person", _apply(likeness, e.LikenessMatch), None
    yield (
        "likeness",
        "weaker, other",
        _apply(likeness, e.LikenessMatch, person_id="q", similarity=0.5),
        (_apply(likeness, e.LikenessMatch)),
    )
    yield "persona", "flag", _apply(persona, e.PersonaFlag), None
    yield "persona", "weaker", _apply(persona, e.PersonaFlag, confidence=0.5), None
    yield "media", "product", _apply(media, e.ProductMedia), None
    yield "media", "less bad", _apply(media, e.ProductMedia, misleading=False), _apply(media, e.ProductMedia)
    matched = _apply(fleet, e.FleetMatched, identity="0", size=(2, 3))
    yield "fleet", "one match", matched, _fleets(1)
    yield "fleet", "16 matches", matched, _fleets(16)
    yield "fleet", "a span, no script", fleet.forget_scripts, _fleets(16)
    yield "fleet", "a span, 16 scripts end", _read_no_more, None
    yield "restriction", "index", _apply(restriction, e.RestrictionTested), None
    yield "restriction", "allowed", _apply(restriction, e.RestrictionTested, family="AI", allowed=True), None
    yield "presenter", "combine, unchanged", presenter.combine, None
    yield (
        "presenter",
        "mark, changed",
        _unmarked(lambda room: presenter.mark(room, Certainty.CONFIRMED, "x", ev(e.WatermarkRead, T0))),
        None,
    )
    yield "unbroken", "restart", lambda room: unbroken.restart(room, T0), None
    yield "unbroken", "hours", unbroken.hours, None


def least_us(call: Call, prepare: Callable[[Room], object] | None, rounds: int) -> float:
    """µs a call, the least of `rounds`."""
    room = a_room(speaking(1))
    if prepare is not None:
        prepare(room)
    best = None
    for _ in range(rounds):
        began_ns = process_time_ns()
        for _ in range(CALLS):
            call(room)
        took_ns = process_time_ns() - began_ns
        best = took_ns if best is None else min(best, took_ns)
    return (best or 0) / CALLS / 1e3


@click.command()
@click.option("--rounds", default=200, show_default=True, help="Rounds of 500 calls; the least counts.")
def main(rounds: int) -> None:
    """Measure what each marker costs.

    \b
    Example:
      python -m tests.bench.markers --rounds 200
    """
    table = Table("marker", "event", "µs")
    for marker, event, call, prepare in cases():
        table.add_row(marker, event, f"{least_us(call, prepare, rounds):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
