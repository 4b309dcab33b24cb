"""Facts: typed values about a room that policy rules may read.

A fact is immutable; the room replaces it when something new is known and marks it as changed. Facts that accuse
carry a certainty, because certainty caps what a rule may recommend. Defaults mean "nothing is known", and nothing
known never accuses. `since_ms` is append time (Unix ms), but of `idle` and `frame` time of events.
"""

from enum import IntEnum

from msgspec import Struct

UNKNOWN = -1.0  # a ratio that nobody measured


class Certainty(IntEnum):
    """How sure a fact is; ordered."""

    NONE = 0
    SUSPECTED = 1
    POSSIBLE = 2
    CONFIRMED = 3


class AiPresenter(Struct, frozen=True, gc=False, array_like=True):
    """AI produces the presenter. `by` names the strongest source, `declared` that the room itself says so."""

    certainty: int = 0
    by: str = ""
    declared: bool = False
    since_ms: int = 0


class Recorded(Struct, frozen=True, gc=False, array_like=True):
    """What is shown was recorded earlier: playback found by repetition, or sound that belongs to an embedded video."""

    certainty: int = 0
    by: str = ""
    since_ms: int = 0


class Idle(Struct, frozen=True, gc=False, array_like=True):
    """Nobody in frame, nobody speaks, nobody replies, while viewers are present and no break is declared."""

    certainty: int = 0
    since_ms: int = 0


class Label(Struct, frozen=True, gc=False, array_like=True):
    """The AI label on screen. `visible` and `continuous` (since AI was first known) are None while they are unknown
    (`audit.labelled`); `ever`: seen in this session."""

    visible: bool | None = None
    continuous: bool | None = None
    ever: bool = False
    kind: str = ""
    by: str = ""
    area_ratio: float = UNKNOWN
    since_ms: int = 0  # of the present state; 0 where nothing was read of it


class Registration(Struct, frozen=True, gc=False, array_like=True):
    """What the platform's registry says; `known` is false until it has spoken."""

    known: bool = False
    avatar_registered: bool = False
    driver_verified: bool = False
    likeness_consent: bool = False
    since_ms: int = 0


class Driven(Struct, frozen=True, gc=False, array_like=True):
    """Signs that a live person drives the room: recent answers to viewers, challenges passed in the last hour."""

    replies: bool = False
    challenges_passed: int = 0
    since_ms: int = 0


class Tamper(Struct, frozen=True, gc=False, array_like=True):
    """A marker was removed, altered, forged or hidden."""

    certainty: int = 0
    by: str = ""
    since_ms: int = 0


class Likeness(Struct, frozen=True, gc=False, array_like=True):
    """Best match with a known person, and the consent on record: granted, none, unknown."""

    certainty: int = 0
    similarity: float = 0.0
    consent: str = ""
    person_id: str = ""
    since_ms: int = 0


class Persona(Struct, frozen=True, gc=False, array_like=True):
    """A persona platforms name as abuse, and what it is used for."""

    certainty: int = 0
    kind: str = ""
    conduct: str = ""
    confidence: float = 0.0
    since_ms: int = 0


class SoftwarePromotion(Struct, frozen=True, gc=False, array_like=True):
    """The room sells or teaches virtual-host software; `mentions` counts distinct utterances in the session."""

    certainty: int = 0
    by: str = ""
    mentions: int = 0
    selling: bool = False
    teaching: bool = False
    since_ms: int = 0


class ProductMedia(Struct, frozen=True, gc=False, array_like=True):
    """A product is shown by synthetic or misleading media."""

    certainty: int = 0
    synthetic: bool = False
    misleading: bool = False
    product_id: str = ""
    since_ms: int = 0


class Frame(Struct, frozen=True, gc=False, array_like=True):
    """The latest measurement of the picture; ratios are 0–1, or -1 when not measured."""

    known: bool = False
    person_present: bool = False
    avatar_height_ratio: float = UNKNOWN
    embedded_video_ratio: float = UNKNOWN
    cover_ratio: float = UNKNOWN
    static_ratio: float = UNKNOWN
    same_source_audio: bool = False
    since_ms: int = 0


class Fleet(Struct, frozen=True, gc=False, array_like=True):
    """One identity live in `size` rooms; `permitted` when the platform knows and allows it."""

    kind: str = ""
    size: int = 0
    permitted: bool = False
    since_ms: int = 0
    at_ms: int = 0  # e of the newest word


class History(Struct, frozen=True, gc=False, array_like=True):
    """When people upheld violations, by rule id (event time, ms, ascending): `room` those of this room, `host` those of
    its host in all rooms as the platform's registry last said. `policy.inputs` counts the recent ones."""

    room: dict[str, list[int]] = {}
    host: dict[str, list[int]] = {}


class Facts(Struct, gc=False, array_like=True):
    """All facts of a session but `history`, `room` and `signals`, which are made when a rule reads them."""

    ai_presenter: AiPresenter = AiPresenter()
    recorded: Recorded = Recorded()
    idle: Idle = Idle()
    label: Label = Label()
    registration: Registration = Registration()
    driven: Driven = Driven()
    tamper: Tamper = Tamper()
    likeness: Likeness = Likeness()
    persona: Persona = Persona()
    software_promotion: SoftwarePromotion = SoftwarePromotion()
    product_media: ProductMedia = ProductMedia()
    frame: Frame = Frame()
    fleet: Fleet = Fleet()


FACT_NAMES: tuple[str, ...] = (*Facts.__struct_fields__, "history", "room", "signals")
"""Every fact a rule may read, in the order of their bits."""

FACT_BIT: dict[str, int] = {name: 1 << i for i, name in enumerate(FACT_NAMES)}
"""Bit of each fact in `Room.changed`."""

LEVEL_BIT = 1 << len(FACT_NAMES)
"""Set in `Room.changed` when a family's level changed."""

BLOCK_BIT = 1 << (len(FACT_NAMES) + 1)
"""Set in `Room.changed` when a block closed: rules about durations must look again."""

SESSION_BIT = 1 << (len(FACT_NAMES) + 2)
"""Set in `Room.changed` when the session closed."""

REVIEW_BIT = 1 << (len(FACT_NAMES) + 3)
"""Set in `Room.changed` when a review arrived; it waits in `Room.reviews`."""

REQUEST_BIT = 1 << (len(FACT_NAMES) + 4)
"""Set in `Room.changed` when a request was made; it waits in `Asking.pending`."""
