"""How every Python system is measured; only the standard library, so that every environment has it."""

import json
import os
import resource
import time
import zlib

CHECK = os.environ.get("BENCH_CHECK") == "1"


class Meter:
    """Counts events and measures between the 5 % and the 95 % mark, so that start-up and tail stay out.

    With BENCH_CHECK=1 nothing is timed: the system runs to its end, and a digest of what it emitted is printed, a sum
    of checksums, so that the order of rooms does not matter.
    """

    def __init__(self, events: int) -> None:
        self.events = events
        self.seen = 0
        self.out = 0
        self.digest = 0
        self._from, self._to = events * 5 // 100, events * 95 // 100
        self._started: tuple[int, float, float] | None = None
        self.result: dict[str, float] = {}

    def emitted(self, record: bytes) -> None:
        """One record came out."""
        self.out += 1
        if CHECK:
            self.digest += zlib.crc32(record)

    def at(self, seen: int) -> bool:
        """`seen` events have been processed in all; says whether enough was measured."""
        self.seen = seen
        if CHECK:
            if seen >= self.events:
                self.result = {"digest": self.digest}
        elif self._started is None:
            if seen >= self._from:
                self._started = (seen, time.perf_counter(), time.process_time())
        elif seen >= self._to and not self.result:
            count, wall, cpu = self._started
            done = seen - count
            self.result = {
                "events_per_s": done / (time.perf_counter() - wall),
                "cpu_s_per_million": (time.process_time() - cpu) / done * 1e6,
            }
        return bool(self.result)

    def finish(self) -> None:
        """Prints the result and leaves at once: how a system stops is not measured."""
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**self.result, "rss_mb": rss_mb, "out": self.out}), flush=True)
        os._exit(0)
