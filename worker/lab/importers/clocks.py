"""Two clocks in one file: which of their readings are wrong, and where one of them began again.

A message has a place in the recording and a sending time. Their difference is when the recording began, and
it is the same for neighbours. It may step for good, such as after the recorder was suspended or started
again. Where it leaves its neighbours and comes back, one reading was wrong.
"""

from collections.abc import Sequence
from statistics import median_low

AGREE_MS = 120_000
NEIGHBOURS = 5  # on each side
STEP_MS = 5_000
LASTING = 5  # so many readings in a row that agree with each other are no error
WINDOW = 11
SAMPLED = 20_000


def outliers(starts: Sequence[int], middle: int) -> set[int]:
    """The positions in `starts` (ms) that disagree with their neighbours by over two minutes.

    `middle` is the median of all; what agrees with it is no outlier.
    """
    wrong = set[int]()
    for at, start in enumerate(starts):
        if abs(start - middle) <= AGREE_MS:
            continue
        near = sorted(starts[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1])
        if abs(start - near[(len(near) - 1) // 2]) > AGREE_MS:
            wrong.add(at)
    return wrong


def steps(starts: Sequence[int]) -> list[int]:
    """The positions in `starts` (ms) from which on the readings agree on another start, for good."""
    found = list[int]()
    if not starts:
        return found
    now = median_low(starts[:WINDOW])
    for at, start in enumerate(starts):
        if abs(start - now) <= STEP_MS:
            now = start
            continue
        near = starts[at : at + LASTING]
        if len(near) == LASTING and max(near) - min(near) <= STEP_MS:
            found.append(at)
            now = start
    return found


def middle_of(starts: Sequence[int]) -> int:
    """The median, or that of 20,000 readings out of more; `starts` is not empty."""
    return median_low(starts[:: len(starts) // SAMPLED + 1])


def first_start(starts: Sequence[int]) -> tuple[int, bool]:
    """(when the recording began, whether its clock kept pace with the other); `starts` (ms) is not empty.

    A clock that stood still, jumped or ran at another rate was right at the beginning.
    """
    middles = [median_low(starts[at : at + WINDOW]) for at in range(0, max(1, len(starts) - WINDOW // 2), WINDOW)]
    steady = max(middles) - min(middles) <= STEP_MS
    return (middle_of(starts) if steady else middles[0]), steady
