"""Every event of `live.room.events`, as the decoder sees it.

One struct per event type, tagged by `type`. The schema files under `schemas/` are the source of truth;
`tests/contracts` proves that these structs accept and reject the same inputs. Units stand last in a name:
`at_ms` is Unix milliseconds, UTC, event time. Personal ids are keyed hashes made by the producer.

`gc=False` keeps the garbage collector from tracking events; none can form a cycle.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=2000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Millis = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]  # up to 2100-01-01
DelayMillis = Annotated[int, Meta(ge=0, le=600_000)]  # how late a source is by design
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
Region = Annotated[str, Meta(min_length=2, max_length=2)]
Currency = Annotated[str, Meta(min_length=3, max_length=3)]
Money = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]  # minor units of the currency

Platform = Literal[
    "wechat_channels", "douyin", "kuaishou", "taobao", "jd", "alibaba_1688", "xiaohongshu",
    "bilibili", "tiktok_shop", "youtube", "twitch", "other",
]  # fmt: skip


class Shop(Struct, gc=False, frozen=True):
    """A shop that the room sells for; `system` tells 视频号小店 (`channels_shop`) from 微信小店 (`wechat_shop`)."""

    system: Name
    id: Id


class Upheld(Struct, gc=False, frozen=True):
    """A violation of the host, in whatever room, that a person upheld: of which rule, and when it opened (ms)."""

    rule: Name
    at_ms: Millis


class Envelope(Struct, tag_field="type", gc=False, kw_only=True):
    """What every event carries. `id` is unique per event; a producer may send an event twice with one id."""

    id: Id
    room_id: Id
    at_ms: Millis
    session_id: Id | None = None


# --- the room itself -------------------------------------------------------------------------------------------


class _Descriptor(Envelope, kw_only=True, gc=False):
    session_id: Id
    platform: Platform
    region: Region
    host_id: Id
    started_at_ms: Millis
    selling: bool
    operator_id: Id | None = None
    device_id: Id | None = None
    ip_hash: Id | None = None
    shop_ids: Annotated[list[Shop], Meta(max_length=64)] = []
    category: Name | None = None
    title: Text | None = None


class RoomOpened(_Descriptor, tag="room.opened", kw_only=True, gc=False):
    """A broadcast (session) begins."""


class HeartbeatLabel(Struct, gc=False, kw_only=True):
    """What `label.state` says, as of the heartbeat that carries it."""

    kind: Literal["ai_generated", "digital_human", "virtual_host"]
    visible: bool
    by: Literal["host", "platform", "unknown"]
    area_ratio: Ratio | None = None


class RoomHeartbeat(_Descriptor, tag="room.heartbeat", kw_only=True, gc=False):
    """Every 15–30 s: proves that the room lives, and carries the whole descriptor through silence. Without `paused` it
    says nothing of a break, and without `label` nothing of the label."""

    viewers: Count
    paused: bool | UnsetType = UNSET
    label: HeartbeatLabel | None = None


class RoomPaused(Envelope, tag="room.paused", kw_only=True, gc=False):
    """The host declared a break: the clocks of idleness and of prompts stop."""

    session_id: Id
    reason: Text | None = None


class RoomResumed(Envelope, tag="room.resumed", kw_only=True, gc=False):
    """The break is over."""

    session_id: Id
    reason: Text | None = None


class RoomClosed(Envelope, tag="room.closed", kw_only=True, gc=False):
    """The session is over."""

    session_id: Id
    reason: Text | None = None


# --- viewers ---------------------------------------------------------------------------------------------------


class ViewerJoined(Envelope, tag="viewer.joined", kw_only=True, gc=False):
    """A viewer came."""

    viewer_id: Id


class ViewerLeft(Envelope, tag="viewer.left", kw_only=True, gc=False):
    """A viewer went."""

    viewer_id: Id


class ViewerLiked(Envelope, tag="viewer.liked", kw_only=True, gc=False):
    """`count` likes."""

    count: Count
    viewer_id: Id | None = None


class ViewerFollowed(Envelope, tag="viewer.followed", kw_only=True, gc=False):
    """A viewer follows the host from now on."""

    viewer_id: Id


class ViewerShared(Envelope, tag="viewer.shared", kw_only=True, gc=False):
    """A viewer shared the room."""

    viewer_id: Id


class ViewerComment(Envelope, tag="viewer.comment", kw_only=True, gc=False):
    """One comment. `question`: the gateway's own classifier says that it asks something."""

    comment_id: Id
    viewer_id: Id
    text: Text
    question: bool | None = None


class ViewerGift(Envelope, tag="viewer.gift", kw_only=True, gc=False):
    """A gift of `value` minor units of `currency`."""

    viewer_id: Id
    gift_id: Id
    value: Money
    currency: Currency


class ViewerOrder(Envelope, tag="viewer.order", kw_only=True, gc=False):
    """An order placed from the room."""

    viewer_id: Id
    product_id: Id
    quantity: Count
    value: Money
    currency: Currency


class ViewerTally(Envelope, tag="viewer.tally", kw_only=True, gc=False):
    """Counts over the `span_ms` before `at_ms`, aggregated by a gateway in place of single events."""

    span_ms: Annotated[int, Meta(ge=1, le=60_000)]
    joined: Count = 0
    left: Count = 0
    liked: Count = 0
    followed: Count = 0
    shared: Count = 0
    comments: Count = 0
    gifts: Count = 0
    orders: Count = 0


# --- the host --------------------------------------------------------------------------------------------------


class HostSpeech(Envelope, tag="host.speech", kw_only=True, gc=False):
    """One segment of recognised speech; `at_ms` is when it ended or was recognised."""

    segment_id: Id
    start_ms: Millis
    end_ms: Millis
    text: Text
    confidence: Ratio | None = None
    voice_id: Id | None = None
    delay_ms: DelayMillis | None = None


class HostReply(Envelope, tag="host.reply", kw_only=True, gc=False):
    """The host answered, by voice, text or sign; to a given comment or to the room."""

    medium: Literal["voice", "text", "sign"]
    comment_id: Id | None = None
    delay_ms: DelayMillis | None = None


class HostAction(Envelope, tag="host.action", kw_only=True, gc=False):
    """Something the host did with the room's controls; `target` names the comment, viewer or product."""

    kind: Literal["pin_comment", "thank_gift", "pin_product", "poll", "lottery", "moderate", "other"]
    target: Id | None = None


# --- AI markers ------------------------------------------------------------------------------------------------


class DetectorScore(Envelope, tag="detector.score", kw_only=True, gc=False):
    """One look of one detector over `look_ms`; looks of one detector are at least 10 s apart."""

    detector: Name
    version: Name
    modality: Literal["face", "voice", "lip_sync", "motion", "script"]
    score: Ratio
    look_ms: Annotated[int, Meta(ge=1, le=600_000)]
    stratum: Name | None = None
    delay_ms: DelayMillis | None = None


class WatermarkRead(Envelope, tag="watermark.read", kw_only=True, gc=False):
    """A generator's watermark was looked for. Absence never exonerates."""

    scheme: Name
    detector: Name
    outcome: Literal["detected", "not_detected", "uncertain", "not_tested"]
    score: Ratio | None = None


class ProvenanceRead(Envelope, tag="provenance.read", kw_only=True, gc=False):
    """Provenance metadata as read: C2PA manifest, IPTC digital source type, or the GB 45438 `AIGC` object.

    `aigc` is that object as it was found (lenient); `status` holds C2PA status codes; `trusted` says that the
    signature chain is valid and trusted; `tampered` that a hash or signature does not match.
    """

    source: Literal["c2pa", "iptc", "gb45438"]
    trusted: bool
    tampered: bool
    digital_source_type: Annotated[str, Meta(max_length=200)] | None = None
    aigc: dict[str, Any] | None = None
    status: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=64)] = []


class LabelState(Envelope, tag="label.state", kw_only=True, gc=False):
    """Whether an AI label is on screen from now on, until the next such event."""

    kind: Literal["ai_generated", "digital_human", "virtual_host"]
    visible: bool
    by: Literal["host", "platform", "unknown"]
    area_ratio: Ratio | None = None


class ChallengeIssued(Envelope, tag="challenge.issued", kw_only=True, gc=False):
    """The platform asked the host for a random thing to say or do, due at `deadline_ms`."""

    challenge_id: Id
    kind: Name
    deadline_ms: Millis


class ChallengeResult(Envelope, tag="challenge.result", kw_only=True, gc=False):
    """How a challenge ended. `void` (host on break, not delivered, cannot be done) is not a failure.

    Only the first result after `challenge.issued` of the same `challenge_id` counts.
    """

    challenge_id: Id
    outcome: Literal["passed", "failed", "no_response", "void"]


class PersonaFlag(Envelope, tag="persona.flag", kw_only=True, gc=False):
    """A classifier saw a persona that platforms name as abuse, and what it is used for."""

    kind: Literal["foreign", "elite", "attractive"]
    conduct: Literal["patriotism", "courses", "private_traffic", "interaction_bait", "other"]
    confidence: Ratio


class LikenessMatch(Envelope, tag="likeness.match", kw_only=True, gc=False):
    """Face or voice resembles a known person; `consent` is what the platform has on record."""

    person_id: Id
    similarity: Ratio
    consent: Literal["granted", "none", "unknown"]


class FrameMeasured(Envelope, tag="frame.measured", kw_only=True, gc=False):
    """Shares of the picture, 0–1, and whether a person is in it."""

    person_present: bool
    avatar_height_ratio: Ratio | None = None
    embedded_video_ratio: Ratio | None = None
    cover_ratio: Ratio | None = None
    static_ratio: Ratio | None = None
    same_source_audio: bool | None = None


class ProductMedia(Envelope, tag="product.media", kw_only=True, gc=False):
    """A product's picture or video is synthetic, or misleads."""

    product_id: Id
    synthetic: bool
    misleading: bool


class RegistrationState(Envelope, tag="registration.state", kw_only=True, gc=False):
    """What the platform's registry says of the host; written into the room's log by the identity agent."""

    host_id: Id
    avatar_registered: bool
    driver_verified: bool
    likeness_consent: bool
    registry_offset: Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]
    registered_avatar_id: Id | None = None
    upheld: Annotated[list[Upheld], Meta(max_length=64)] | None = None
    known: bool = True
    brand_id: Id | None = None
    permitted_rooms: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class FleetMatched(Envelope, tag="fleet.matched", kw_only=True, gc=False):
    """The same identity is live in `size` rooms; written into the room's log by the identity agent."""

    kind: Literal["operator", "device", "ip", "face", "voice", "script"]
    identity: Id
    rooms: Annotated[list[Id], Meta(max_length=20)]
    size: Count
    permitted: bool


class RestrictionTested(Envelope, tag="restriction.tested", kw_only=True, gc=False):
    """The session's place among all of its platform, and whether a family of it may be restricted; written into the
    room's log by the identity agent. `threshold` is the mass that a family needs after `discoveries` restrictions.
    Without `family` nothing was tested yet."""

    index: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    threshold: Annotated[float, Meta(ge=0.0)]
    discoveries: Count
    allowed: bool
    family: Literal["AI", "UNLABELLED", "PLAY", "CHALLENGE"] | None = None


class ReviewDecided(Envelope, tag="review.decided", kw_only=True, gc=False):
    """A person decided about a violation. With `partly`, `keep` names the actions that stay; none without it."""

    violation_id: Id
    outcome: Literal["upheld", "overturned", "partly"]
    by: Literal["reviewer", "appeal"]
    keep: Annotated[list[Name], Meta(max_length=32)] | None = None
    note: Text | None = None


Event = (
    RoomOpened | RoomHeartbeat | RoomPaused | RoomResumed | RoomClosed
    | ViewerJoined | ViewerLeft | ViewerLiked | ViewerFollowed | ViewerShared
    | ViewerComment | ViewerGift | ViewerOrder | ViewerTally
    | HostSpeech | HostReply | HostAction
    | DetectorScore | WatermarkRead | ProvenanceRead | LabelState | ChallengeIssued | ChallengeResult
    | PersonaFlag | LikenessMatch | FrameMeasured | ProductMedia
    | RegistrationState | FleetMatched | RestrictionTested | ReviewDecided
)  # fmt: skip

Answer = RegistrationState | FleetMatched | RestrictionTested
"""What the identity agent writes into a room's log."""

ANSWERS = (RegistrationState, FleetMatched, RestrictionTested)

DESCRIPTORS = (RoomOpened, RoomHeartbeat)
