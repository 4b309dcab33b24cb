"""One room's state: what the worker keeps of a live room between events, bounded in every part.

The state is a plain msgspec struct, so that a snapshot is one `encode`. The speech ring is large and changes slowly;
it is kept apart in chunks (`audit.speech`).
"""

from enum import IntEnum

from msgspec import Struct, field, msgpack
from xxhash import xxh32_intdigest

from worker.audit import packed
from worker.audit.askers import Askers
from worker.audit.counts import Counts
from worker.audit.episode import SHOPS_KEPT, Broadcast, Episode
from worker.audit.events import Shop
from worker.audit.evidence import Family, Level
from worker.audit.excited import Excitation
from worker.audit.facts import AiPresenter, Facts, History
from worker.audit.marks import Excerpt, LabelMarks, Resemblance
from worker.audit.past import PastRoom
from worker.audit.requests import Asking
from worker.audit.reviews import Answer, Review
from worker.audit.said import Said
from worker.audit.sketch import Sketch
from worker.audit.speech import SpeechRing
from worker.audit.ties import Ties
from worker.audit.timing import Delays, Pauses

LATENESS_MS = 60_000
PANE_MS = 10_000
BLOCK_MS = 300_000
FOREVER_MS = 1 << 62


def block_start(room_id: str, at_ms: int) -> int:
    """The start of the room's block that an event time falls into.

    Every room's blocks, and the panes within them, begin at times of its own, by a hash of its id. On one grid all
    rooms of a worker would close their blocks in the same second, and whatever happened in it would wait for them all.
    """
    return at_ms - (at_ms - xxh32_intdigest(room_id.encode())) % BLOCK_MS


ID_BYTES = 6
"""Of an id's hash: one in 4·10¹² ids would be taken for one of 64 others."""
SEEN_MAX = 64 * ID_BYTES  # bytes of each ring of recent event ids
EXCERPTS_MAX = 5
REVIEWS_MAX = 4
PROMPTS_MAX = 64
PROMPTS_PER_PANE = 4
PROMPT_CHARS = 32
SPEECH_PER_PANE = 8
SPEECH_CHARS = 256
REPLIES_PER_PANE = 8
CHALLENGES_PER_PANE = 4
UNTIMED = -1  # the gateway's times of a segment cannot be meant
MENTIONS_MAX = 16
BREAKS_MAX = 16
PAUSES_MAX = 16
ASIDE_MAX = 4
ALIASES_MAX = 4
BLIND_MAX = 32
CLAIMS_MAX = 16
STRANGERS_MAX = 8


class Phase(IntEnum):
    """Where a room is in its life; the legal moves are in `audit.lifecycle`."""

    UNKNOWN = 0  # events came, but neither an opening nor a heartbeat
    LIVE = 1
    PAUSED = 2
    CLOSED = 3


class Prompt(Struct, frozen=True, gc=False, array_like=True, order=True):
    """Something a viewer did that asks for an answer; `text` is cut to what matching and an excerpt need."""

    rank: int  # 64-bit hash of the event id: which prompts are kept does not depend on arrival order
    at_ms: int
    kind: int
    text: str
    offset: int
    comment: int = 0  # hash of the comment's id, by which a reply may name it
    viewer: int = 0  # `signals.bots.viewer_hash`


class Utterance(Struct, frozen=True, gc=False, array_like=True):
    """One speech segment waiting for its pane to close; it had been said at `at_ms`, and took `took_ms`."""

    at_ms: int
    rank: int
    text: str
    offset: int
    took_ms: int = UNTIMED


class Look(Struct, frozen=True, gc=False, array_like=True):
    """One look of one detector, as a rank among human looks; -1 without a calibration table."""

    modality: str
    detector: str
    version: str
    stratum: str
    at_ms: int
    order: int  # hash of the event id, to break ties
    rank: float


class Detector(Struct, gc=False, array_like=True):
    """What one detector said in a block: looks, those above the human 95 % rank, and the sum of ranks."""

    modality: str
    detector: str
    version: str
    stratum: str
    looks: int = 0
    high: int = 0
    ranks: float = 0.0
    end_ms: int = 0  # of the block


class Pane(Struct, gc=False, array_like=True):
    """Ten seconds of evidence, kept until the watermark has passed them. Contents do not depend on arrival order."""

    start_ms: int
    prompts_seen: int = 0
    prompts: tuple[Prompt, ...] = ()
    speech: bytes = packed.EMPTY  # of Utterance
    replies: tuple[int, ...] = ()  # at_ms of replies, thanks and pinned comments
    challenges: tuple[tuple[int, int, int, int], ...] = ()  # results: at_ms, rank, hash of the challenge's id, outcome
    issued: tuple[tuple[int, int, int], ...] = ()  # challenges: at_ms, rank, hash of the challenge's id
    looks: tuple[Look, ...] = ()
    named: tuple[tuple[int, int], ...] = ()  # replies to one comment: at_ms, hash of its id


_utterances = msgpack.Decoder(list[Utterance]).decode


def spoken_in(pane: Pane) -> list[Utterance]:
    """The speech segments of a pane that are kept, by time; ties by a hash of the id."""
    if pane.speech == packed.EMPTY:
        return []
    return sorted(_utterances(pane.speech), key=lambda u: (u.at_ms, u.rank))


class Block(Struct, gc=False, array_like=True):
    """Five minutes of folded panes: sums from which the signals' values are taken."""

    due: int = 0
    answered: int = 0  # at least this many; one is enough to show that somebody answers
    skipped: int = 0  # prompts beyond what a pane keeps
    replies: int = 0
    voice_looks: int = 0
    voice_high: float = 0.0
    visual_looks: int = 0
    visual_high: float = 0.0
    paused_ms: int = 0
    questions: tuple[Prompt, ...] = ()  # the last two that fell due
    spoken: int = 0  # speech segments
    detectors: tuple[Detector, ...] = ()
    discounted: int = 0  # prompts that count for nobody (`signals.bots`)
    unheard_ms: tuple[int, ...] = ()  # when prompts fell due, of those behind which no speech had been heard
    delays: tuple[tuple[int, int, int], ...] = ()  # of answers: asked and answered at, and how many waited
    unclear: tuple[str, ...] = ()  # why signals that join speech and gateway abstain (`audit.clocks`)
    away_ms: int = 0  # off the air for longer than an answer can wait (`audit.breaks`)


class Arrived(Struct, gc=False, array_like=True):
    """How the events of an open block came (`audit.clocks`): speech, and what viewers and host do.

    Attributes:
        late_speech, answers, late_answers: how many.
        clamped: a clock was ahead of append time.
        least_s: the least delay so far, s.
        speech_s, gateway_s: how many had which delay (s), up to 20 s above the least.
        speech_over, gateway_over: how many had a larger one.
    """

    late_speech: int = 0
    answers: int = 0
    late_answers: int = 0
    clamped: bool = False
    least_s: int = FOREVER_MS
    speech_s: dict[int, int] = {}
    gateway_s: dict[int, int] = {}
    speech_over: int = 0
    gateway_over: int = 0


class Session(Struct, gc=False, array_like=True):
    """One broadcast of a room: its descriptor, and all that its events have told.

    Attributes:
        number: of the room's sessions, from 1; an id may come twice.
        aliases: other ids of the same host and start.
        first_offset: source offset at which it began.
        start_ms, first_appended_ms: effective and append time of its first event that this worker saw.
        began_ms, whole: when it started, by its first descriptor (0 before), and whether it was seen from there on.
        started_at_ms: as the descriptor that came last says, not shifted.
        described, beaten: keys of the newest descriptor and the newest heartbeat; () for `beaten` when it is the same.
        leased_ms: append time of the descriptor that came last. descriptors: how many came. newest_ms: the largest
            effective time of one.
        off_ms, off_appended_ms: when it left the air, closed or displaced: effective and append time; 0 on the air.
        breaks: when it was off the air, closed or displaced, and came back; of the last quarter of an hour.
        blind: breaks of which a missing label says nothing. claims: append times at which a rival claimed the room, of
            which it says nothing, either.
        break_marks: words about declared breaks, by key (`audit.breaks`).
        ring, episodes: of a session that was set aside: its speech ring's bulk, and its episodes.
        due_ms: watermark at which the oldest open pane, or the block, must close, or a request falls due.
        accused_ms: A since which an AI presenter has been at least POSSIBLE; 0: it is not.
        told: which event each register and fact rests on (`audit.registers`).
        label_due_ms: the watermark at which the label must be looked at again.
    """

    id: str = ""
    number: int = 0
    aliases: tuple[str, ...] = ()
    first_offset: int = -1
    phase: int = 0
    platform: str = "other"
    region: str = ""
    host_id: str = ""
    operator_id: str = ""
    device_id: str = ""
    ip_hash: str = ""
    shop_ids: list[Shop] = []
    selling: bool = False
    category: str = ""
    title: str = ""
    started_at_ms: int = 0
    viewers: int = 0
    due_ms: int = FOREVER_MS
    start_ms: int = 0
    began_ms: int = 0
    whole: bool = False
    described: tuple[int, ...] = ()
    beaten: tuple[int, ...] = ()
    leased_ms: int = 0
    descriptors: int = 0
    newest_ms: int = 0
    off_ms: int = 0
    off_appended_ms: int = 0
    block_start_ms: int = 0
    panes: dict[int, Pane] = {}
    prompts: tuple[Prompt, ...] = ()
    answered_due_ms: tuple[int, ...] = ()  # when prompts fall due that were answered, at most one per block
    block: Block = field(default_factory=Block)
    counts: Counts = field(default_factory=Counts)
    facts: Facts = field(default_factory=Facts)
    families: dict[str, Family] = {}
    speech: SpeechRing | None = None
    said: Said | None = None
    play_tokens: int = 180  # in sixths (`signals.loop`)
    play_tokens_long: int = 720
    play_refill_ms: int = 0
    challenges: tuple[tuple[int, int], ...] = ()  # last 12 results: at_ms, failed 0/1
    last_speech_ms: int = 0
    last_reply_ms: int = 0
    resumed_ms: int = 0
    absent_since_ms: int = 0
    unbroken_since_ms: int = 0
    marked: AiPresenter = AiPresenter()  # what markers alone say; facts.ai_presenter adds the families' levels
    mentions: tuple[tuple[int, int], ...] = ()  # of virtual-host software: at_ms, code
    excerpts: tuple[Excerpt, ...] = ()
    breaks: tuple[tuple[int, int], ...] = ()
    blind: tuple[tuple[int, int], ...] = ()
    break_marks: tuple[tuple[int, int, int, int], ...] = ()
    marks: dict[str, list[tuple[int, bool | None]]] = {}  # since when what rules ask the share of has held or not
    identities_due_ms: int = 0  # event time at which to tell the room's identities (`audit.announce`)
    ties: Ties | None = None
    asking: Asking | None = None
    detectors: tuple[Detector, ...] = ()  # what each last said
    uncalibrated: int = 0  # looks of the session without a calibration table
    excitation: Excitation | None = None
    delays: Delays | None = None
    pauses: Pauses | None = None
    sketch: Sketch | None = None
    askers: Askers | None = None
    failures: tuple[tuple[str, int, int], ...] = ()  # rules that fail here: id, version of the policy, times in a row
    posed: tuple[int, ...] = ()  # challenges whose result has not come: hash of the id
    arrived: dict[int, Arrived] = {}  # by the start of blocks that are open
    least_delay_ms: int = FOREVER_MS
    accused_ms: int = 0
    told: dict[str, tuple[int, ...]] | None = None
    likenesses: tuple[Resemblance, ...] = ()
    label: LabelMarks | None = None
    label_due_ms: int = FOREVER_MS
    ring: bytes = b""
    episodes: list[Episode] = []
    inputs: tuple[
        tuple[str, ...], ...
    ] = ()  # of the last closed block: why signals abstained, late and missing sources
    closed: tuple[tuple[str, ...], ...] = ()  # why they abstained, of blocks that closed and were not yet counted
    claims: tuple[tuple[int, int], ...] = ()
    first_appended_ms: int = 0


class Room(Struct, gc=False, array_like=True):
    """A live room: what outlives its sessions, and the present one.

    Attributes:
        offset: last source offset applied; anything at or below is a replay.
        appended_ms: A, the latest append time of its records.
        max_at_ms: M, the newest effective time.
        watermark_ms: W, the time up to which its log is taken as complete (`audit.arrival`).
        heard_ms: newest time that the gateway told of.
        slowest_ms: the largest 10 · (M − told) + M that an event has shown.
        aside: sessions that were displaced lately, the longest ago first (`audit.sessions`).
        sessions: how many began here.
        strangers: other sessions whose records came during this one, by hash, and how many became dead letters.
        changed: bits of facts that changed since rules last looked (see `audit.facts`).
    """

    room_id: str
    partition: int = 0
    offset: int = -1
    appended_ms: int = 0
    max_at_ms: int = 0
    watermark_ms: int = 0
    heard_ms: int = 0
    slowest_ms: int = 0
    published_ms: int = 0
    changed: int = 0
    seen_viewer: bytearray = bytearray()
    seen_other: bytearray = bytearray()
    seen_viewer_at: int = 0
    seen_other_at: int = 0
    episodes: dict[str, Episode] = {}
    past: tuple[Episode, ...] = ()  # episodes whose rule has a newer one; the newest last
    history: History = History()
    reviews: list[Review] = []  # waiting for the policy layer
    answers: list[Answer] = []  # to reviews, waiting to leave
    session: Session = field(default_factory=Session)
    aside: list[Session] = []
    sessions: int = 0
    strangers: tuple[tuple[int, int], ...] = ()
    beats: bytes = b""  # hashes of the ids of the newest heartbeats (`audit.arrival`)
    inherited: PastRoom | None = None  # from an earlier release, until this one begins to speak (`audit.succession`)

    def broadcast(self) -> Broadcast:
        """The present session as records name it."""
        session = self.session
        return Broadcast(
            session.platform,
            session.region,
            session.host_id,
            session.operator_id,
            tuple(session.shop_ids[:SHOPS_KEPT]),
            session.first_offset,
        )

    def evidence(self, family: str) -> Family | None:
        """The evidence behind a family's present level; None when it has not begun.

        From LIMIT up PLAY rests on its longer allowance; AI stands in for UNLABELLED until a label was seen.
        """
        if family == "PLAY" and self.level("PLAY") >= Level.LIMIT:
            return self.session.families.get("PLAY_LONG")
        return self._family(family)

    def accrues_ms(self, at_ms: int) -> int:
        """Up to when evidence accrues at event time `at_ms`: by no more than append time has passed in the session. So
        no clock that was slow, or jumps, adds hours to it."""
        session = self.session
        return min(at_ms, session.start_ms + self.appended_ms - session.first_appended_ms)

    def level(self, family: str) -> int:
        """The level (`audit.evidence.Level`) that a family has reached; 0 when it has not begun.

        RESTRICT takes more than this room's evidence: the platform's share of false restrictions (`audit.elond`).
        """
        state = self._family(family)
        if state is None:
            return Level.NONE
        ties = self.session.ties
        if state.level >= Level.RESTRICT and (ties is None or state.name not in ties.allowed):
            return Level.LIMIT
        return state.level

    def _family(self, name: str) -> Family | None:
        families = self.session.families
        state = families.get(name)
        return families.get("AI") if state is None and name == "UNLABELLED" else state
