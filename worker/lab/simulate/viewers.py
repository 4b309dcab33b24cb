"""Viewers: comments as a Hawkes process, and the gifts, orders and likes around them.

Comments excite comments: immigrants arrive at a base rate, and each comment has a Poisson number of children with
mean `branching`, exponentially delayed. Peers drive up to four times more chat than the content does, which is a
branching of 0.3–0.8 (detection.md §4). The mean rate is base / (1 − branching).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from random import Random

from worker.lab.simulate.stage import MINUTE_MS, Stage
from worker.lab.simulate.text import Comment, Speaker

KERNEL_MEAN_MS = 20_000
CHILDREN_MAX = 8
TALLY_MS = 10_000


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How lively viewers are. Rates are per minute; `tallied` counts come aggregated, beside the single comments."""

    comments: float = 12.0
    branching: float = 0.5
    gifts: float = 0.3
    orders: float = 0.5
    likes: float = 4.0
    tallied_comments: float = 0.0
    copied: tuple[str, ...] = ()  # bots write these, over and over
    bots: int = 0


def poisson(rng: Random, mean: float, most: int) -> int:
    """A Poisson draw by Knuth's product method, at most `most`."""
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit and count < most:
        product *= rng.random()
        count += 1
    return count


class Viewers:
    """The audience on a stage."""

    def __init__(self, stage: Stage, speaker: Speaker, crowd: Crowd) -> None:
        self._stage = stage
        self._speaker = speaker
        self._crowd = crowd
        self._rng = stage.rng("viewers")
        self._comments = 0
        pace = stage.plan.pace
        self._arrive(pace.chat * crowd.comments * (1 - crowd.branching), self._immigrant)
        self._arrive(crowd.gifts, self._gift)
        self._arrive(crowd.orders, self._order)
        self._arrive(crowd.likes if pace.noise else 0, self._likes)
        if crowd.tallied_comments:
            stage.every(TALLY_MS, self._tally)
        if crowd.copied:
            self._arrive(pace.chat * crowd.comments, self._bot)

    def _arrive(self, per_minute: float, action: Callable[[], None]) -> None:
        """Poisson arrivals: run the action, and come again after an exponential time."""
        if per_minute <= 0:
            return

        def again() -> None:
            action()
            self._stage.after(self._rng.expovariate(per_minute / MINUTE_MS), again)

        self._stage.after(self._rng.expovariate(per_minute / MINUTE_MS), again)

    def _viewer(self) -> str:
        """A viewer's keyed hash: few write much, many write once."""
        rank = int(self._rng.paretovariate(0.8))
        return f"v{rank % 100_000:05d}"

    def _immigrant(self) -> None:
        self._comment(self._speaker.comment())

    def _comment(self, comment: Comment) -> None:
        stage, rng = self._stage, self._rng
        self._comments += 1
        comment_id = f"c{self._comments}"
        stage.emit("viewer.comment", comment_id=comment_id, viewer_id=self._viewer(), text=comment.text)
        for hear in stage.on_comment:
            hear(comment_id, comment)
        for _ in range(poisson(rng, self._crowd.branching, CHILDREN_MAX)):
            stage.after(rng.expovariate(1 / KERNEL_MEAN_MS), self._immigrant)

    def _bot(self) -> None:
        """A bot writes one of few texts; nobody answers bots by name, and they excite nobody."""
        rng = self._rng
        self._comments += 1
        self._stage.emit(
            "viewer.comment",
            comment_id=f"c{self._comments}",
            viewer_id=f"bot{rng.randrange(max(1, self._crowd.bots)):04d}",
            text=rng.choice(self._crowd.copied),
        )

    def _gift(self) -> None:
        viewer = self._viewer()
        value = self._rng.choice((10, 60, 90, 520, 1990))
        self._stage.emit("viewer.gift", viewer_id=viewer, gift_id=f"g{value}", value=value, currency="CNY")
        for hear in self._stage.on_gift:
            hear(viewer)

    def _order(self) -> None:
        rng = self._rng
        product, value = f"p{rng.randint(1, 20)}", rng.randint(9, 399) * 100
        self._stage.emit(
            "viewer.order",
            viewer_id=self._viewer(),
            product_id=product,
            quantity=1,
            value=value,
            currency="CNY",
        )

    def _likes(self) -> None:
        rng = self._rng
        draw = rng.random()
        if draw < 0.5:
            self._stage.emit("viewer.liked", count=rng.randint(1, 40))
        else:
            self._stage.emit("viewer.joined" if draw < 0.8 else "viewer.left", viewer_id=self._viewer())

    def _tally(self) -> None:
        rng = self._rng
        comments = int(self._crowd.tallied_comments * TALLY_MS / MINUTE_MS * rng.uniform(0.7, 1.3))
        self._stage.emit(
            "viewer.tally",
            span_ms=TALLY_MS,
            joined=comments // 9,
            left=comments // 10,
            liked=comments * 3,
            comments=comments,
            orders=comments // 200,
        )
