"""What a broker may lack that the worker asks of Kafka. Only what is declared is done without.

A real Kafka lacks nothing of it. The embedded broker of `demo` says in its banner what it lacks, such as
`append_time=producer`. Who starts a worker on it passes the banner on as `STREAM_AUDIT_BROKER_LACKS`.
"""

from collections.abc import Iterable
from enum import StrEnum


class Lack(StrEnum):
    """One thing that a broker lacks, as a banner says it."""

    APPEND_TIME = "append_time=producer"
    """Its topics keep the producers' timestamps: append time is what producers say, and no partition waits for it."""


def parse_banner(text: str) -> frozenset[Lack]:
    """Return what a banner declares, words separated by commas. Raises ValueError for a word that is none."""
    return frozenset(Lack(word.strip()) for word in text.split(",") if word.strip())


def banner(lacks: Iterable[Lack]) -> str:
    """Return the banner of a broker that lacks these, in order of the alphabet."""
    return ",".join(sorted(lacks))
