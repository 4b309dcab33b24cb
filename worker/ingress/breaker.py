"""The circuit breaker: a bad deploy of a producer must not empty the topic into the dead letters.

Counts one partition's records in log order. It trips when 500 records in a row were rejected, or more than 20 % of
the last 1,000; the worker then stops that partition's progress and exits non-zero. It never closes by itself.
"""

from collections import deque

WINDOW_RECORDS = 1000
REJECTED_MAX = WINDOW_RECORDS // 5
IN_A_ROW_MAX = 500


class Breaker:
    """The last 1,000 records of one partition, kept as the positions of those that were rejected.

    At most 1,000 positions are held; n good records cost as much as one. The share is judged once 1,000 records
    have been seen (one bad record of three says nothing); before that, only the row of 500 can trip it.
    """

    __slots__ = ("_in_a_row", "_position", "_rejected", "_why")

    def __init__(self) -> None:
        self._position = 0
        self._in_a_row = 0
        self._rejected: deque[int] = deque()
        self._why = ""

    @property
    def tripped(self) -> bool:
        """Whether the partition must stop. Stays true."""
        return self._why != ""

    @property
    def why(self) -> str:
        """What tripped it, for the operator; empty while it holds."""
        return self._why

    def note_good(self, n: int = 1) -> None:
        """`n` records in a row were not rejected."""
        if n <= 0:
            return
        window_fills = self._position < WINDOW_RECORDS <= self._position + n
        self._position += n
        self._in_a_row = 0
        if window_fills:
            self._judge_share()

    def note_bad(self) -> bool:
        """One record was rejected; returns whether the breaker is now tripped."""
        self._position += 1
        self._in_a_row += 1
        rejected = self._rejected
        rejected.append(self._position)
        while rejected[0] <= self._position - WINDOW_RECORDS:
            rejected.popleft()
        if self._position >= WINDOW_RECORDS:
            self._judge_share()
        if self._in_a_row >= IN_A_ROW_MAX and not self._why:
            self._why = f"{self._in_a_row} records in a row were rejected"
        return self.tripped

    def _judge_share(self) -> None:
        if len(self._rejected) > REJECTED_MAX and not self._why:
            self._why = f"{len(self._rejected)} of the last {WINDOW_RECORDS} records were rejected"
