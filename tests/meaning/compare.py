"""Compare the core with the oracle on random rooms: `python -m tests.meaning.compare --rooms 200 --seed 1`.

For each kind of room and each aspect it tells in how many rooms the two agree. Of the first room in which they do not,
it prints the shortest log that it finds on which they still differ. It exits with 1 if they differ where `HOLDS`
demands that they agree.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing import Pool
from typing import Any, NamedTuple

from tests.meaning.aspects import ASPECTS, HOLDS, OF_LIVELY_ROOMS, SHALLOW, Case, Difference
from tests.meaning.shrink import shrunk, story
from tests.meaning.varied import WEATHERS, varied


class Job(NamedTuple):
    """One random room, and what to compare in it."""

    weather: str
    seed: int
    aspects: tuple[str, ...]


class Result(NamedTuple):
    """What came of it: the first difference of each aspect in which the two differ."""

    job: Job
    records: int
    found: dict[str, Difference]


class Row(NamedTuple):
    """An aspect in one weather: in how many rooms the two agree, the first in which they do not, and on what."""

    weather: str
    aspect: str
    rooms: int
    agree: int
    first: int | None
    difference: Difference | None
    kinds: Mapping[str, int]  # on what they differ first → in how many rooms


def compared(job: Job) -> Result:
    """Compare one room."""
    records = varied(job.seed, job.weather)
    try:
        case = Case(records, deep=not SHALLOW.issuperset(job.aspects))
        first = {name: next(ASPECTS[name](case), None) for name in job.aspects}
    except Exception as error:
        raise RuntimeError(f"{job.weather} room {job.seed} cannot be judged") from error
    return Result(job, len(records), {name: d for name, d in first.items() if d is not None})


def rows_of(results: Iterable[Result]) -> list[Row]:
    """Count rooms by weather and aspect."""
    rows: dict[tuple[str, str], Row] = {}
    for (weather, seed, aspects), _, found in results:
        for aspect in aspects:
            row = rows.get((weather, aspect), Row(weather, aspect, 0, 0, None, None, {}))
            difference = found.get(aspect)
            row = row._replace(rooms=row.rooms + 1, agree=row.agree + (difference is None))
            if difference is not None:
                row = row._replace(kinds={**row.kinds, difference.what: row.kinds.get(difference.what, 0) + 1})
                if row.first is None:
                    row = row._replace(first=seed, difference=difference)
            rows[weather, aspect] = row
    return list(rows.values())


def run(jobs: Sequence[Job], processes: int) -> list[Result]:
    """Compare rooms, in order, in some processes."""
    if processes < 2:
        return [compared(job) for job in jobs]
    with Pool(processes) as pool:
        return list(pool.imap(compared, jobs, chunksize=10))


def demanded(row: Row) -> bool:
    """Whether the tests demand that the two agree here."""
    return row.aspect in HOLDS[row.weather]


def table(rows: Sequence[Row]) -> str:
    """Agreeing rooms by aspect and weather; `*` where the tests demand agreement."""
    weathers = list(dict.fromkeys(row.weather for row in rows))
    cells = {(row.weather, row.aspect): f"{row.agree}/{row.rooms}{'*' if demanded(row) else ' '}" for row in rows}
    lines = [f"{'':10}" + "".join(f"{weather:>14}" for weather in weathers)]
    for aspect in dict.fromkeys(row.aspect for row in rows):
        lines.append(f"{aspect:10}" + "".join(f"{cells.get((weather, aspect), '– '):>14}" for weather in weathers))
    return "\n".join(lines)


def reasons(rows: Sequence[Row], most: int = 8) -> str:
    """On what the two differ first, by aspect: what, and in how many rooms."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.aspect, Counter()).update(row.kinds)
    lines = [f"{aspect:10} " + ", ".join(f"{what} {n}" for what, n in kinds.most_common(most))
             for aspect, kinds in found.items() if kinds]  # fmt: skip
    return "\n".join(lines)


def explained(row: Row) -> str:
    """The shortest log found on which the two differ as they did in the first room of a row that differs."""
    assert row.first is not None and row.difference is not None
    records = shrunk(varied(row.first, row.weather), row.aspect, row.difference.what)
    head = f"{row.aspect}, {row.weather} room {row.first}: {row.difference.what}, {len(records)} records are left"
    return f"{head}\n{story(records, row.aspect, row.difference.what)}"


def fitting(weather: str, aspects: Sequence[str]) -> tuple[str, ...]:
    """The aspects that say something in a weather."""
    return tuple(aspect for aspect in aspects if weather == "lively" or aspect not in OF_LIVELY_ROOMS)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.meaning.compare", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rooms", type=int, default=200, help="of each weather (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the first room (default: 1)")
    parser.add_argument("--aspect", action="append", choices=list(ASPECTS), help="repeat for more (default: all)")
    parser.add_argument("--weather", action="append", choices=WEATHERS, help="kind of rooms (default: all)")
    parser.add_argument("--processes", type=int, default=1, help="(default: 1)")
    parser.add_argument("--logs", type=int, default=1, help="how many logs to shrink and print (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON, and no logs")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the command; gives its exit code."""
    options = parsed(arguments)
    aspects = tuple(dict.fromkeys(options.aspect or ASPECTS))
    weathers = options.weather or WEATHERS
    seeds = range(options.seed, options.seed + options.rooms)
    jobs = [Job(weather, seed, fitting(weather, aspects)) for weather in weathers for seed in seeds]
    started_s = time.perf_counter()
    results = run(jobs, options.processes)
    seconds = time.perf_counter() - started_s
    rows = rows_of(results)
    broken = [row for row in rows if demanded(row) and row.first is not None]
    if options.json:
        found: dict[str, Any] = {"rooms": len(jobs), "records": sum(r.records for r in results),
                                 "seconds": round(seconds, 3), "rows": [row._asdict() for row in rows]}  # fmt: skip
        print(json.dumps(found, ensure_ascii=False, indent=1, default=str))
        return bool(broken)
    print(table(rows))
    print(f"agreeing rooms of all; * the tests demand it. {len(jobs)} rooms, {len(jobs) / seconds:.1f} a second")
    if told := reasons(rows):
        print(f"\nFirst differences, and in how many rooms\n{told}")
    for row in rows:
        if row.first is None and not demanded(row):
            print(f"{row.aspect} agrees in all {row.weather} rooms: add it to HOLDS in tests/meaning/aspects.py")
    for row in sorted((row for row in rows if row.first is not None), key=lambda r: not demanded(r))[: options.logs]:
        print(f"\n{explained(row)}")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
