"""The Faust transport of URL scheme `streamaudit://`, and how a worker attaches itself to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from faust.transport.drivers import aiokafka as stock

from worker.transport.consumer import BatchConsumer
from worker.transport.hooks import Attachment, TransportHooks
from worker.transport.producer import BatchProducer
from worker.transport.protocols import Attachable
from worker.transport.settings import TransportSettings


def attach(
    app: Attachable,
    hooks: TransportHooks,
    *,
    clock: Callable[[], float],
    settings: TransportSettings | None = None,
    answers: Callable[[], bool] | None = None,
) -> None:
    """Connects an app, before it starts, with its hooks. Make the app with `**settings.faust()` as well.

    `answers` tells whether any broker answers: where none does, a shutdown need not wait for all of its deadlines.
    """
    app.stream_audit = Attachment(hooks, settings or TransportSettings(), clock, answers)


class Transport(stock.Transport):  # type: ignore[misc]
    """Faust's Kafka transport with batches in place of single records."""

    Consumer = BatchConsumer
    Producer = BatchProducer
    driver_version = f"streamaudit ({stock.Transport.driver_version})"

    @property
    def attachment(self) -> Attachment:
        attachment = getattr(self.app, "stream_audit", None)
        if attachment is None:
            raise RuntimeError("the app has no hooks: call worker.transport.attach(app, hooks, …) before it starts")
        return cast(Attachment, attachment)
