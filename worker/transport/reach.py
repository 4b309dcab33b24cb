"""Does any broker answer? Asked on connections of its own: those of the clients may hang."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError

from worker.settings import Settings
from worker.transport.security import client_options

TIMEOUT_S = 2.0


def any_broker_answers(settings: Settings) -> bool:
    """Whether one of the brokers says anything within 2 s; a refusal is an answer, too. Blocks: call it on a thread.

    Never raises: without a certificate to ask with it says yes, so that the caller waits.
    """
    try:
        options = client_options(settings)
    except OSError:
        return True
    return asyncio.run(_any_answers(options))


async def _any_answers(options: Mapping[str, Any]) -> bool:
    login = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    asked = [asyncio.ensure_future(_answers(address, login)) for address in options["bootstrap_servers"]]
    for answer in asyncio.as_completed(asked):
        if await answer:
            return True  # the others end with the loop
    return False


async def _answers(address: str, login: Mapping[str, Any]) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await create_conn(host.strip("[]"), int(port), **login)
    except ssl.SSLError:
        return True
    except (OSError, TimeoutError, KafkaConnectionError):
        return False
    except Exception:  # a login that is refused, a version that it does not know
        return True
    connection.close()
    return True
