"""The whole measurement from the pieces that are done: what `docs/DETECTION.md` is made of."""

from collections.abc import Iterable

import msgspec

from worker.lab.evaluate.bound import Measured, pooled
from worker.lab.evaluate.pieces import Piece
from worker.lab.evaluate.scenes import SceneOutcome
from worker.lab.evaluate.summary import Measurement
from worker.lab.evaluate.tally import Tally, merged
from worker.lab.evaluate.watch import Outcome

_outcomes = msgspec.msgpack.Decoder(list[Outcome])
_tallies = msgspec.msgpack.Decoder(list[Tally])
_scenes = msgspec.msgpack.Decoder(list[SceneOutcome])
_bounds = msgspec.msgpack.Decoder(list[Measured])


def collect(done: Iterable[tuple[Piece, bytes]]) -> Measurement:
    """Sort the results of pieces by what they measure. Honest tallies are merged as they come."""
    found = Measurement()
    for piece, result in sorted(done, key=lambda one: one[0].name):
        if piece.kind == "honest":
            found.honest = merged([*found.honest, *_tallies.decode(result)])
        elif piece.kind == "bound":
            found.bound += _bounds.decode(result)
        elif piece.kind == "scene":
            found.scenes += _scenes.decode(result)
        else:
            for job, outcome in zip(piece.jobs, _outcomes.decode(result), strict=True):
                if piece.name.startswith("facts/"):
                    found.facts.append(outcome)
                elif piece.name.startswith("marked/"):
                    found.marked.append(outcome)
                elif piece.name.startswith("discounts/"):
                    found.discounted.append((job.without, outcome))
                elif job.without:
                    found.ablated.append((job.challenged, job.without, outcome))
                else:
                    (found.challenged if job.challenged else found.unchallenged).append(outcome)
    found.bound = pooled(found.bound)
    return found
