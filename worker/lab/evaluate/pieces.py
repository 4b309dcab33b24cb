"""Pieces of a measurement: what each one is, how it is done, and how many are done at once.

A piece is named after what it measures, so that its result can be kept (`evaluate.results`) and never be made twice.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice
from threading import Thread
from typing import Literal

import msgspec
from msgspec import Struct

from worker.lab.evaluate.bound import CASES, Measured, measure, measure_without
from worker.lab.evaluate.rooms import DISCOUNTS, SIGNALS, Job, judge_room
from worker.lab.evaluate.scenes import SceneJob, judge_scene, room_hours
from worker.lab.evaluate.tally import merged, tally_of
from worker.lab.simulate import ARCHETYPES

STRATA = (
    "responsive",
    "quiet",
    "overloaded",
    "scripted_human",
    "sign_language",
    "on_break",
    "avatar_driven",
    "bot_viewers",
    "film",
    "software_warning",
)
"""Honest rooms of the mass run."""
HONEST_ROOM_HOURS = 6.0
HONEST_PIECE_HOURS = HONEST_ROOM_HOURS * len(STRATA)
FULL_EVERY = 20  # one honest piece in twenty is simulated at full pace, which costs three times as much
HONEST_FIRST_SEED = 1_000_000

STATISTICAL = (
    "loop",
    "loop_45",
    "loop_90",
    "one_pass",
    "fed_recording",
    "scripted_avatar",
    "llm_avatar",
    "subtle_llm_avatar",
    "evasive_llm_avatar",
    "standby",
    "human_then_avatar",
    "human_then_loop",
    "farm_avatar",
    "empty",
)
"""Guilty rooms that only statistics can see."""
FACTUAL = ("avatar_watermark", "avatar_provenance", "avatar_unregistered", "tampered")
"""Guilty rooms that a single event gives away."""
MARKED = (
    "avatar_undriven",
    "plugin_avatar",
    "deepfake",
    "avatar_compliant",
    "avatar_small",
    "borrowed_sound",
    "covered_screen",
    "software_seller",
    "persona_foreign",
    "persona_elite",
    "persona_attractive",
)
"""Rooms that markers give away as they come again and again, some only as long as a rule wants them to last."""
FACTUAL_HOURS = 0.5
MARKED_HOURS = 6.0
SHARING = ("avatar_farm", "official_rooms", "strangers")
"""Scenes of rooms that share identities without permission, with it, and not at all."""
SCENE_MINUTES = 120
BOUND_SHARE = 0.05  # of a null hypothesis' usual runs that one piece makes
ALONE = ("locked", "unanswered", "excitation", "voice", "visual")
"""Signals that have to carry a room on a platform that challenges nobody."""
DISCOUNTED = ("responsive", "scripted_human", "bot_viewers", "film")
"""Honest rooms that are judged again without what speaks for them beforehand."""
CORRELATED = tuple(number for number, case in enumerate(CASES) if "AR(1)" in case.name)
"""Null hypotheses that are measured without the envelope, too."""


class Piece(Struct, frozen=True):
    """`rooms`: each judged by itself, result list[Outcome]; `honest`: added up, list[Tally]; `bound`: list[Measured];
    `scene`: list[SceneOutcome].

    `case`, `runs`, `seed` and `without` (a discount) belong to `bound` alone.
    """

    name: str
    kind: Literal["rooms", "honest", "bound", "scene"]
    jobs: tuple[Job, ...] = ()
    case: int = 0
    runs: int = 0
    seed: int = 0
    without: str = ""
    scene: SceneJob | None = None


def honest_pieces() -> Iterator[Piece]:
    """Pieces of the mass run, without end: a room of every stratum each."""
    for number in count():
        sparse = number % FULL_EVERY != FULL_EVERY - 1
        seed = HONEST_FIRST_SEED + number
        jobs = tuple(Job(name, seed, HONEST_ROOM_HOURS, sparse=sparse) for name in STRATA)
        yield Piece(f"honest/{number:07d}", "honest", jobs)


def honest_count(hours: float) -> int:
    """How many pieces `hours` honest room-hours take, rounded up."""
    return -int(-hours // HONEST_PIECE_HOURS)


def room_piece(kind: str, job: Job) -> Piece:
    """One room, as part of a `kind` of measurement."""
    asked = "challenged" if job.challenged else "unchallenged"
    parts = (kind, asked, job.archetype, f"{job.seed}", f"{job.hours:g}h", *((job.without,) if job.without else ()))
    return Piece("/".join(parts), "rooms", (job,))


def scene_piece(job: SceneJob) -> Piece:
    """A scene judged as a whole."""
    return Piece(f"scene/{job.scene}/{job.seed}/{job.minutes}m", "scene", scene=job)


def full_pieces(*, seeds: range, hours: float, ablation_seeds: int, honest_hours: float) -> list[Piece]:
    """Everything that the document of the detection is made of, honest rooms last."""
    rooms = [
        room_piece("guilty", Job(name, seed, hours, challenged=asked))
        for name in STATISTICAL
        for asked in (True, False)
        for seed in seeds
    ]
    rooms += [room_piece("facts", Job(name, seed, FACTUAL_HOURS)) for name in FACTUAL for seed in seeds]
    rooms += [room_piece("marked", Job(name, seed, MARKED_HOURS)) for name in MARKED for seed in seeds]
    rooms += [
        room_piece("ablation", Job(name, seed, hours, challenged=asked, without=signal))
        for name in STATISTICAL
        for seed in seeds[:ablation_seeds]
        for asked in (True, False)
        for signal in (SIGNALS if asked else (*ALONE, *DISCOUNTS))
    ]
    rooms += [
        room_piece("discounts", Job(name, seed, hours, without=discount))
        for name in DISCOUNTED
        for seed in seeds[:ablation_seeds]
        for discount in ("", *DISCOUNTS)
    ]
    rooms += [scene_piece(SceneJob(name, seed, SCENE_MINUTES)) for name in SHARING for seed in seeds]
    nulls = [*bound_pieces(), *(piece for number in CORRELATED for piece in bound_pieces_of(number, 1.0, "envelope"))]
    return [*rooms, *nulls, *islice(honest_pieces(), honest_count(honest_hours))]


def bound_pieces(scale: float = 1.0) -> list[Piece]:
    """The null hypotheses, each with `scale` times its usual number of runs, in samples of `BOUND_SHARE` of it."""
    return [piece for number in range(len(CASES)) for piece in bound_pieces_of(number, scale)]


def bound_pieces_of(number: int, scale: float, without: str = "") -> list[Piece]:
    """One null hypothesis, as it is or without a discount."""
    samples, runs = max(1, round(scale / BOUND_SHARE)), max(1, int(CASES[number].runs * BOUND_SHARE))
    name = f"bound/{number}/{without}/" if without else f"bound/{number}/"
    return [
        Piece(f"{name}{seed:04d}", "bound", case=number, runs=runs, seed=seed, without=without)
        for seed in range(samples)
    ]


def do(piece: Piece) -> bytes:
    """Do one piece; returns its result as MessagePack."""
    if piece.kind == "bound":
        return msgspec.msgpack.encode(_bound(piece))
    if piece.scene is not None:
        return msgspec.msgpack.encode([judge_scene(piece.scene)])
    outcomes = [judge_room(job) for job in piece.jobs]
    if piece.kind == "honest":
        return msgspec.msgpack.encode(merged(map(tally_of, outcomes)))
    return msgspec.msgpack.encode(outcomes)


def _bound(piece: Piece) -> list[Measured]:
    case, how = CASES[piece.case], {"runs": piece.runs, "seed": piece.seed}
    return list(measure_without(case, piece.without, **how) if piece.without else measure(case, **how))


def hours_of(piece: Piece) -> float:
    """Room-hours that a piece simulates."""
    if piece.scene is not None:
        return room_hours(piece.scene)
    return sum(job.hours + ARCHETYPES[job.archetype].switch_ms / 3_600_000 for job in piece.jobs)


def run(pieces: Iterable[Piece], processes: int) -> Iterator[tuple[Piece, bytes]]:
    """Do pieces in parallel processes, one CPU each; results come as they are ready.

    Stopping the generator waits for the pieces in hand, a few seconds.
    """
    todo = iter(pieces)
    if processes <= 1:
        for piece in todo:
            yield piece, do(piece)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_in_child) as pool:
        pending: dict[Future[bytes], Piece] = {}
        try:
            while True:
                pending.update((pool.submit(do, piece), piece) for piece in islice(todo, 2 * processes - len(pending)))
                if not pending:
                    return
                for done in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(done), done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _in_child() -> None:
    """The parent alone decides when to stop; a child whose parent was killed does not stay behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        Thread(target=follow, daemon=True).start()
