"""What a guilty room gains by bending its own log: `python -m tests.meaning.escapes --rooms loop llm_avatar`.

For every guilty room and every trick it tells by how many minutes each rule opens later than without the trick, or that
it never opens. A trick that gains nothing is a dash. Rooms are *synthetic*.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import Pool
from typing import NamedTuple

from tests.meaning.bending import GUILTY_MINUTES, First, course, played
from tests.meaning.log import MINUTE, SECOND
from tests.meaning.rooms import Faults, Happening, reconnecting, source_of
from worker.lab.simulate import ARCHETYPES

WATCH = 15
"""Rules that open in a room's last minutes are left out: later would be never."""
Trick = Callable[[Sequence[Happening]], tuple[Sequence[Happening], Faults]]


def reconnects(every_s: int, gap_s: int = 5) -> Trick:
    """Closes, and opens again after a gap."""
    return lambda happened: (reconnecting(happened, every_s * SECOND, gap_s * SECOND), Faults())


def late_speech(minutes: int) -> Trick:
    """Its recogniser tells only after so long."""
    return lambda happened: (happened, Faults(delay={"S": minutes * MINUTE}))


def withheld(every: int) -> Trick:
    """Of its heartbeats it sends one in so many, and the first."""

    def trick(happened: Sequence[Happening]) -> tuple[Sequence[Happening], Faults]:
        beats = [h for h in happened if h.event["type"] == "room.heartbeat"]
        kept = {id(h) for h in beats[::every]} if every else {id(beats[0])}
        return [h for h in happened if h.event["type"] != "room.heartbeat" or id(h) in kept], Faults()

    return trick


def flaps(on_s: int, every_s: int) -> Trick:
    """Its label is on for so long in so long."""

    def marks(happened: Sequence[Happening]) -> Iterator[Happening]:
        first = next(h.event for h in happened if h.event["type"] == "room.heartbeat")
        base = {name: first[name] for name in ("room_id", "session_id")}
        for at in range(happened[0].at, happened[-1].at, every_s * SECOND):
            for visible, when in ((True, at), (False, at + on_s * SECOND)):
                event = {"type": "label.state", "id": f"flap{when}", "at_ms": when, **base, "kind": "ai_generated",
                         "visible": visible, "by": "host"}  # fmt: skip
                yield Happening(when, source_of(event), event)

    return lambda happened: (sorted([*happened, *marks(happened)], key=lambda h: h.at), Faults())


TRICKS: Mapping[str, Trick] = {
    "reconnects every 1 min": reconnects(61),
    "reconnects every 4 min": reconnects(240),
    "reconnects every 10 min": reconnects(600),
    "away 35 s of 90 s": reconnects(90, 35),
    "label 1 s in 55": flaps(1, 55),
    "label 30 s in 60": flaps(30, 60),
    "no heartbeats": withheld(0),
    "a heartbeat in 5 min": withheld(10),
    "speech 10 min late": late_speech(10),
    "speech 20 min late": late_speech(20),
}


class Gain(NamedTuple):
    """What a trick gains against one rule. `plain`, `tricked`: the minute in which it opened; None: never."""

    room: str
    trick: str
    rule: str
    plain: int
    tricked: int | None

    @property
    def told(self) -> str:
        """For people."""
        if self.tricked is None:
            return "never"
        later = self.tricked - self.plain
        return "–" if later <= 0 else f"{later} min"


def opened(first: First) -> dict[str, int]:
    """When each live rule opened."""
    return {
        reading.split()[1]: minute
        for (reading, height), minute in first.items()
        if reading.endswith("live: step") and height == 1
    }


def gains(name: str) -> list[Gain]:
    """Play all tricks in one guilty room."""
    happened = played(name, GUILTY_MINUTES)
    plain = {rule: at for rule, at in opened(course(happened, Faults())).items() if at < GUILTY_MINUTES - WATCH}
    found = []
    for trick, play in TRICKS.items():
        bent, faults = play(happened)
        tricked = opened(course(bent, faults))
        found += [Gain(name, trick, rule, minute, tricked.get(rule)) for rule, minute in sorted(plain.items())]
    return found


def table(found: Sequence[Gain]) -> str:
    """Rules of rooms by tricks."""
    rows: dict[tuple[str, str, int], dict[str, str]] = {}
    for gain in found:
        rows.setdefault((gain.room, gain.rule, gain.plain), {})[gain.trick] = gain.told
    lines = ["| room | rule | opens at min | " + " | ".join(TRICKS) + " |", "| --- " * (3 + len(TRICKS)) + "|"]
    for (room, rule, plain), cells in rows.items():
        lines.append(f"| {room} | {rule} | {plain} | " + " | ".join(cells[trick] for trick in TRICKS) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.meaning.escapes", description=(__doc__ or "").split("\n")[0])
    guilty = [name for name, kind in ARCHETYPES.items() if not kind.honest]
    parser.add_argument("--rooms", nargs="*", choices=guilty, default=guilty, help="(default: every guilty kind)")
    parser.add_argument("--processes", type=int, default=1, help="(default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    found: list[Gain] = []
    with Pool(options.processes) as pool:
        for n, some in enumerate(pool.imap(gains, options.rooms), start=1):
            found += some
            print(f"\r{n}/{len(options.rooms)} rooms", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if options.json:
        print(json.dumps([gain._asdict() for gain in found], ensure_ascii=False, indent=1))
    else:
        print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
