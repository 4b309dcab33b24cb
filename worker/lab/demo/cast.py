"""Who plays in the demo, and what is shown of each room."""

from dataclasses import dataclass, field

from worker.lab.simulate import Truth, truth

CAST: tuple[str, ...] = (
    "responsive", "avatar_watermark", "loop", "quiet", "llm_avatar", "overloaded", "avatar_unregistered",
    "scripted_human", "software_seller", "sign_language", "persona_elite", "on_break", "tampered",
    "software_warning", "avatar_driven", "bot_viewers", "persona_foreign", "persona_attractive",
)  # fmt: skip
"""Who plays, in the order of the table: honest and guilty in turn, so that a few rooms show both.

More rooms than these repeat it with other seeds."""


@dataclass
class Row:
    """One room of the table."""

    truth: Truth
    platform: str
    fed: int = 0
    at_ms: int = 0
    levels: dict[str, str] = field(default_factory=dict)
    episodes: list[str] = field(default_factory=list)
    last_violation: str = ""


def cast(rooms: int, seed: int) -> list[tuple[str, int]]:
    """(archetype, seed) of each of `rooms` rooms."""
    return [(CAST[i % len(CAST)], seed + i // len(CAST)) for i in range(rooms)]


def rows_of(rooms: list[tuple[str, int]]) -> dict[str, Row]:
    """The table before anything has happened."""
    found = [truth(name, seed) for name, seed in rooms]
    return {t.room_id: Row(t, t.room_id.partition(":")[0]) for t in found}
