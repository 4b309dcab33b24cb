"""The peers: what each is, where it lives, how many events it gets.

Every Python peer runs `tests/bench/peers/<program>.py` in an environment of its own under `build/bench`, pinned with
hashes by `requirements/bench/<environment>.txt`; the JVM's are compiled from `tests/bench/jvm` against jars that Maven
fetches. A peer whose environment cannot be made is reported as missing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """One system: `own_windows` ones count with windows of their own instead of the common job, and emit nothing."""

    name: str
    environment: str
    arguments: tuple[str, ...]
    events: int
    own_windows: bool = False


def _python(name: str, environment: str, mode: str, events: int, *, own_windows: bool = False) -> Peer:
    return Peer(name, environment, (f"{environment}_job", mode), events, own_windows)


PEERS: tuple[Peer, ...] = (
    Peer("Faust hopping", "own", ("faust_hopping", "hopping"), 8_000, own_windows=True),
    _python("Quix plain", "quix", "plain", 500_000),
    _python("Quix hopping", "quix", "hopping", 40_000, own_windows=True),
    _python("Bytewax batch", "bytewax", "batch", 1_000_000),
    _python("Bytewax stateful", "bytewax", "stateful", 500_000),
    _python("Bytewax sliding", "bytewax", "sliding", 150_000, own_windows=True),
    _python("FastStream batch", "faststream", "batch", 400_000),
    _python("Pathway tumbling", "pathway", "tumbling", 800_000, own_windows=True),
    _python("Pathway sliding", "pathway", "sliding", 100_000, own_windows=True),
    _python("arroyo", "arroyo", "plain", 150_000),
    Peer("Kafka Streams, memory, Jackson", "streams", ("processor", "memory", "jackson"), 0),
    Peer("Kafka Streams, RocksDB, Jackson", "streams", ("processor", "rocksdb", "jackson"), 0),
    Peer("Kafka Streams, memory, fastjson2", "streams", ("processor", "memory", "fastjson2"), 0),
    Peer("Kafka Streams hopping", "streams", ("hopping", "memory", "jackson"), 0, own_windows=True),
    Peer("Flink SQL hopping", "flink", ("sql",), 0, own_windows=True),
    Peer("Flink DataStream", "flink", ("datastream",), 0),
)
"""Events 0 means as many as the topic holds."""

JVM = ("streams", "flink")
