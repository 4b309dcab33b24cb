"""What topics a broker has, for the check before the worker starts. Never creates one, never waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion

from worker.topics import Found

TIMEOUT_S = 20.0


async def find_topics(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Found]:
    """Those of the named topics that exist. `config` is None where the broker does not tell it.

    Raises TimeoutError after 20 s, or a Kafka error: no broker, no authorization.
    """
    async with asyncio.timeout(TIMEOUT_S):
        admin = AIOKafkaAdminClient(**options, request_timeout_ms=int(TIMEOUT_S * 1000))
        await admin.start()
        try:
            # Asked for all: a broker may create a topic that is asked for by name.
            described = {topic["topic"]: topic for topic in await admin.describe_topics()}
            there = [name for name in names if name in described and not described[name]["error_code"]]
            configs = await _configs(admin, there)
        finally:
            await admin.close()
    return {
        name: Found(
            partitions=len(described[name]["partitions"]),
            replication_factor=min(len(p["replicas"]) for p in described[name]["partitions"]),
            config=configs.get(name),
        )
        for name in there
    }


async def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        responses = await admin.describe_configs(resources)
    except IncompatibleBrokerVersion:  # the mock cluster does not know the request
        return {}
    found = {}
    for response in responses:
        for error_code, _message, _type, name, entries in response.resources:
            if not error_code:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found
