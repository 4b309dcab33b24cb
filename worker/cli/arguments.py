"""The types of arguments that commands share: times, places in a topic, ranges of offsets."""

import re
from datetime import UTC, datetime
from typing import Any

import click

from worker import clock

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Since(click.ParamType):
    """`90s`, `30m`, `6h`, `2d` before now, or a time in ISO 8601 (UTC when it names no zone) → Unix ms."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if match := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return max(0, clock.now_ms() - int(match[1]) * UNITS_MS[match[2]])
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither like 30m (s, m, h, d) nor like 2024-06-18T08:00", param, ctx)
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


class Place(click.ParamType):
    """`PARTITION:OFFSET` → (partition, offset)."""

    name = "partition:offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6}):(\d{1,18})", value)
        if match is None:
            self.fail(f"{value!r} is not like 3:1042 (partition:offset, as `dlq ls` prints them)", param, ctx)
        return int(match[1]), int(match[2])


class OffsetRange(click.ParamType):
    """`FIRST:LAST`, both included → (first, last)."""

    name = "first:last"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        first, _, last = value.partition(":")
        if not (first.isdecimal() and last.isdecimal() and len(value) <= 40 and int(first) <= int(last)):
            self.fail(f"{value!r} is not like 100:250 (first and last offset, both included)", param, ctx)
        return int(first), int(last)
