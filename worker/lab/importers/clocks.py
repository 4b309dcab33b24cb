"""Two clocks in one file: which of their readings are wrong.

A message has a place in the recording and a sending time. Their difference is when the recording began, and
it is the same for neighbours. It may step for good, such as after the recorder was suspended; where it
leaves its neighbours and comes back, one reading was wrong.
"""

from collections.abc import Sequence

AGREE_MS = 120_000
NEIGHBOURS = 5  # on each side


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
