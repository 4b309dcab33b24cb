"""Where batches come from: a Faust transport with one event per fetch and acknowledged ranges of offsets.

`driver` is the entry; `fetch` talks to the broker on its own thread, `unpack` reads record batches,
`consumer` delivers, flushes and commits, `offsets` keeps account, `producer` writes.
"""

from worker.records import Record
from worker.transport.batch import BatchSchema, FetchBatch, RecordSlice
from worker.transport.counts import TransportCounts
from worker.transport.driver import Transport, attach
from worker.transport.hooks import TransportHooks, die
from worker.transport.producer import SendError
from worker.transport.settings import TransportSettings, TransportSettingsError
from worker.transport.shutdown import BrokerGoneError

__all__ = [
    "BatchSchema",
    "BrokerGoneError",
    "FetchBatch",
    "Record",
    "RecordSlice",
    "SendError",
    "Transport",
    "TransportCounts",
    "TransportHooks",
    "TransportSettings",
    "TransportSettingsError",
    "attach",
    "die",
]
