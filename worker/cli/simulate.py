"""`simulate`: labelled rooms by archetype and seed, or a scene → one room log, and the truth in a file of its own."""

import heapq
from dataclasses import asdict

import click

from worker.cli.files import OutputFile
from worker.cli.groups import did_you_mean


@click.command(name="simulate")
@click.argument("archetypes", nargs=-1, metavar="[ARCHETYPE…]")
@click.option("--scene", metavar="NAME", help="Rooms that belong together, in place of archetypes.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(dash=True),
    metavar="FILE",
    help="The room log, .gz and .zst as the suffix says; - is stdout.",
)
@click.option("--truth", type=OutputFile(), metavar="FILE", help="Which room is what, one JSON object a line.")
@click.option("--rooms", type=click.IntRange(1, 100_000), help="Rooms per archetype.  [1]")
@click.option(
    "--minutes", type=click.IntRange(1, 43_200), help="Length of each room, or of the scene.  [60, or the scene's own]"
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same rooms.")
@click.option(
    "--pace",
    type=click.Choice(["full", "sparse", "thin"]),
    default="full",
    show_default=True,
    help="How many events a room has: sparse a third of them, enough of each kind for every signal; thin a seventh, "
    "for days of many rooms.",
)
@click.option("--list", "list_them", is_flag=True, help="List archetypes and scenes.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
def simulate(
    archetypes: tuple[str, ...],
    scene: str | None,
    output: str | None,
    truth: str | None,
    rooms: int | None,
    minutes: int | None,
    seed: int,
    pace: str,
    list_them: bool,
    as_json: bool,
) -> None:
    """Write simulated rooms as a room log, in order of event time.

    Everything in it is synthetic. The log does not say which room is what; --truth writes that beside it.

    \b
    Example:
      stream-audit simulate loop responsive --minutes 90 -o rooms.jsonl.zst --truth truth.jsonl
      stream-audit simulate --scene avatar_farm --minutes 60 -o farm.jsonl.zst
      stream-audit simulate --scene avatar_fleet --pace thin -o - | stream-audit replay --memory -
      stream-audit replay rooms.jsonl.zst --rooms
    """
    from worker.cli.terminal import note
    from worker.lab.simulate import ARCHETYPES, PACES, at_ms_of
    from worker.lab.simulate import simulate as play
    from worker.lab.simulate import truth as truth_of
    from worker.lab.simulate.scenes import SCENES
    from worker.tools import roomlog

    if list_them:
        _list(as_json)
        return
    if unknown := [name for name in archetypes if name not in ARCHETYPES]:
        hint = did_you_mean(unknown[0], ARCHETYPES)
        raise click.UsageError(f"No archetype '{unknown[0]}'.{hint} `stream-audit simulate --list` lists them.")
    if scene is not None and scene not in SCENES:
        hint = did_you_mean(scene, SCENES)
        raise click.UsageError(f"No scene '{scene}'.{hint} There are {', '.join(SCENES)}.")
    if bool(archetypes) == bool(scene) or output is None:
        raise click.UsageError("Name either archetypes or a --scene, and a file with -o; or use --list.")
    if scene is not None and rooms is not None:
        raise click.UsageError(f"--rooms counts rooms per archetype; the scene {scene} has its own.")
    if scene is not None:
        truths = SCENES[scene].truths(seed)
        log = SCENES[scene].play(seed, duration_ms=minutes * 60_000 if minutes else None, pace=PACES[pace])
    else:
        cast = [(name, seed + i) for name in dict.fromkeys(archetypes) for i in range(rooms or 1)]
        truths = [truth_of(name, one) for name, one in cast]
        duration_ms = (minutes or 60) * 60_000
        rooms_logs = (play(name, one, duration_ms=duration_ms, pace=PACES[pace]) for name, one in cast)
        log = heapq.merge(*rooms_logs, key=at_ms_of)
    count = roomlog.write(output, log)
    if truth is not None:
        roomlog.write(truth, (asdict(one) for one in truths))
    note(f"{len(truths):,} rooms, {count:,} events")


def _list(as_json: bool) -> None:
    from worker.cli.terminal import Screen
    from worker.lab.simulate import ARCHETYPES
    from worker.lab.simulate.scenes import SCENES

    screen = Screen()
    if as_json:
        found = {
            "archetypes": [
                {"name": a.name, "title": a.title, "honest": a.honest, "platform": a.platform, "expects": a.expects}
                for a in ARCHETYPES.values()
            ],
            "scenes": [{"name": s.name, "title": s.title, "hours": s.hours} for s in SCENES.values()],
        }
        screen.json(found)
        return
    rows = [(a.name, a.title, a.platform, ", ".join(a.expects) or "none") for a in ARCHETYPES.values()]
    names = ("archetype", "what it is", "platform", "rules it breaks")
    screen.table(names, rows, fold=("what it is", "rules it breaks"), framed=False)
    screen.line()
    scenes = [(s.name, s.title, f"{s.hours:g}") for s in SCENES.values()]
    screen.table(("scene", "what it is", "hours"), scenes, right=("hours",), fold=("what it is",), framed=False)
