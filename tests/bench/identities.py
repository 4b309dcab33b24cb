"""What the identity agent costs: `python -m tests.bench.identities [--rooms N] [--rounds N]`. No broker.

Rooms speak under five identities each every five minutes; a tenth of them in farms of 40. Printed: µs per message in
the median of rounds, bytes per identity kept, and per changelog record.
"""

import argparse
import gc
import time
import tracemalloc
from statistics import median

from rich.console import Console
from rich.table import Table

from worker.audit.announce import PERIOD_MS, Identity
from worker.egress.identities import encode_identity
from worker.partition.identities import MatchProcessor
from worker.state.identities import MatchStore, encode
from worker.topics import IDENTITIES_TOPIC

from ..support.circle import Kept

T0 = 1_740_000_000_000


def said(rooms: int, period: int) -> list[Identity]:
    """What all rooms say in one period. Every tenth belongs to a farm of 40 with one operator, address and voice."""
    messages = []
    for i in range(rooms):
        farm = f"farm-{i // 400}" if i % 10 == 0 else ""
        known = 40 if farm and period else 0
        base = {
            "room_id": f"douyin:room-{i}", "platform": "douyin", "host_id": f"host-{i}", "live": True,
            "at_ms": T0 + period * PERIOD_MS + i, "session_id": f"s-{i}", "operator_id": farm or f"op-{i}",
            "answered": True,
        }  # fmt: skip
        for kind, own in (("host", ""), ("operator", farm), ("device", ""), ("ip", farm), ("voice", farm)):
            identity = own or f"{kind}-{i}"
            identity = f"host-{i}" if kind == "host" else identity
            size = known if kind in ("operator", "ip", "voice") else 0
            messages.append(Identity(kind=kind, identity=identity, size=size, **base))  # type: ignore[arg-type]
    return messages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    tracemalloc.start()
    matches = MatchStore("identities", 0)
    processor = MatchProcessor(partition=0, rooms_partitions=1, matches=matches)
    offset, costs, empty = 0, [], tracemalloc.get_traced_memory()[0]
    for period in range(options.rounds + 1):
        records = []
        for one in map(encode_identity, said(options.rooms, period)):
            records.append(Kept(offset, one.timestamp_ms or 0, one.key, one.value))
            offset += 1
        if period == 1:
            tracemalloc.stop()
        before_s = time.perf_counter()
        processor.process(records, IDENTITIES_TOPIC)
        took_s = time.perf_counter() - before_s
        if period:
            costs.append(took_s / len(records) * 1e6)
            continue
        del records
        gc.collect()
        kept_bytes = (tracemalloc.get_traced_memory()[0] - empty) / len(matches.kept)
    written = sum(len(encode(kept)) for kept in matches.kept.values()) / len(matches.kept)
    table = Table("what", "median", "range")
    table.add_row("µs per message", f"{median(costs):.1f}", f"{min(costs):.1f}-{max(costs):.1f}")
    table.add_row("bytes in memory per identity", f"{kept_bytes:.0f}", "")
    table.add_row("bytes per changelog record", f"{written:.0f}", "")
    Console().print(f"{options.rooms:,} rooms, {len(matches.kept):,} identities, {offset:,} messages")
    Console().print(table)


if __name__ == "__main__":
    main()
