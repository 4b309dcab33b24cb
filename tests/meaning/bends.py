"""Bend the logs of honest rooms: `python -m tests.meaning.bends --rooms responsive quiet --seeds 20`.

For every room and every fault it tells whether a level, a certainty or a rule was higher than the same room reached by
right clocks up to then. It exits with 1 if so. Rooms are *synthetic*.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from multiprocessing import Pool
from typing import NamedTuple

from tests.meaning.bending import Excess, course, cut, excess, rooms
from tests.meaning.faults import Fault, faults
from tests.meaning.rooms import Faults


class Job(NamedTuple):
    room: str
    faults: tuple[str, ...]
    seeds: int


class Tried(NamedTuple):
    """A room under one fault, and where it was too high."""

    room: str
    fault: str
    kind: str
    found: list[Excess]


def tried(job: Job) -> list[Tried]:
    """Bend one room in some ways."""
    known, happened = faults(job.seeds), rooms()[job.room].happened()
    right, short = course(happened, Faults()), cut(happened)
    out = []
    for name in job.faults:
        some = known[name].of(short)
        found = excess(right, course(short, some), some.mirror)
        out.append(Tried(job.room, name, known[name].kind, found))
    return out


def told(found: Iterable[Tried], count: int, seconds: float) -> str:
    """A table: by kind of fault, how many logs were bent, and in how many something was too high."""
    every = list(found)
    lines = [f"{'fault':14}{'logs':>7}{'higher':>8}"]
    for kind in dict.fromkeys(one.kind for one in every):
        here = [one for one in every if one.kind == kind]
        lines.append(f"{kind:14}{len(here):7}{sum(bool(one.found) for one in here):8}")
    lines.append(f"{'all':14}{len(every):7}{sum(bool(one.found) for one in every):8}")
    lines.append(f"{count} rooms, {seconds:.0f} s")
    for one in every:
        for reading, height, minute, right in one.found:
            when = "never" if right is None else f"minute {right}"
            lines.append(f"{one.room}, {one.fault}: {reading} {height} in minute {minute}, by right clocks {when}")
    return "\n".join(lines)


def chosen(options: argparse.Namespace) -> list[Job]:
    """The rooms and faults that the command asks for."""
    names = [
        name for name, room in rooms().items()
        if room.honest and (not options.rooms or any(part in name for part in options.rooms))
    ]  # fmt: skip
    every: dict[str, Fault] = dict(faults(options.seeds))
    some = [name for name in every if not options.faults or any(part in name for part in options.faults)]
    size = 12
    return [Job(name, tuple(some[n : n + size]), options.seeds) for name in names for n in range(0, len(some), size)]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.meaning.bends", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rooms", nargs="*", help="parts of rooms' names (default: every honest room)")
    parser.add_argument("--faults", nargs="*", help="parts of faults' names (default: every fault)")
    parser.add_argument("--seeds", type=int, default=20, help="how many random mixtures (default: 20)")
    parser.add_argument("--processes", type=int, default=1, help="(default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the command; gives its exit code."""
    options = parsed(arguments)
    jobs = chosen(options)
    started_s = time.perf_counter()
    found: list[Tried] = []
    with Pool(options.processes) as pool:
        for n, some in enumerate(pool.imap(tried, jobs), start=1):
            found += some
            spent_s = time.perf_counter() - started_s
            print(f"\r{n}/{len(jobs)} pieces, {spent_s:.0f} s, {some[-1].room}   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    count = len({job.room for job in jobs})
    if options.json:
        rows = [{**one._asdict(), "found": [x._asdict() for x in one.found]} for one in found]
        print(json.dumps({"rooms": count, "logs": len(found), "tried": rows}, ensure_ascii=False, indent=1))
    else:
        print(told(found, count, time.perf_counter() - started_s))
    return int(any(one.found for one in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
