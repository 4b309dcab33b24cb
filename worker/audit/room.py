"""One room's state: what the worker keeps of a live room between events, bounded in every part.

The state is a plain msgspec struct, so that a snapshot is one `encode`. The speech ring is large and changes slowly;
it is kept apart in chunks (`audit.speech`).
"""

from enum import IntEnum

from msgspec import Struct, field, msgpack
from xxhash import xxh32_intdigest

from worker.audit import packed
from worker.audit.askers import Askers
from worker.audit.events import Shop
from worker.audit.evidence import Family, Level
from worker.audit.facts import AiPresenter, Facts, Fleet
from worker.audit.requests import Asking
from worker.audit.said import Said
from worker.audit.sketch import Sketch
from worker.audit.speech import SpeechRing
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


SEEN_MAX = 64 * 8  # bytes of each ring of recent event ids: 64 ids of 8 bytes
EXCERPTS_MAX = 5
EPISODES_MAX = 64
REVIEWS_MAX = 16
PROMPTS_MAX = 64
PROMPTS_PER_PANE = 4
PROMPT_CHARS = 32
SPEECH_PER_PANE = 8
SPEECH_CHARS = 256
REPLIES_PER_PANE = 8
CHALLENGES_PER_PANE = 4
UNTIMED = -1  # the gateway's times of a segment cannot be meant
LABEL_MARKS_MAX = 16
MENTIONS_MAX = 16
BREAKS_MAX = 8


class Phase(IntEnum):
    """Where a room is in its life; the legal moves are in `audit.lifecycle`."""

    UNKNOWN = 0  # events came, but neither an opening nor a heartbeat
    LIVE = 1
    PAUSED = 2
    CLOSED = 3


class Excerpt(Struct, frozen=True, gc=False, array_like=True):
    """A redacted quotation that a violation may show: ≤ 120 characters, with the log offset it came from."""

    at_ms: int
    kind: str
    text: str
    offset: int


class Episode(Struct, gc=False, array_like=True):
    """One uninterrupted time for which a rule holds. Its life is in `policy.episodes`.

    Attributes:
        stepped_ms: since when the rule has held at this step without a gap; once cleared, when it was.
        violation_id: of the newest record about this episode.
        certainty: the highest one that was decided upon (`audit.facts.Certainty`).
        upheld: a person has upheld it, and the history counts it.
        parked: id of its newest record, when a cap held that back and nobody has released it.
        exempt: the room was exempt when it opened; it ends with the exemption.
        began: step at which it opened: what people upheld before starts it further up.
    """

    rule: str
    state: str
    opened_ms: int
    step: int
    stepped_ms: int
    false_since_ms: int = 0
    violation_id: str = ""
    policy_version: int = 0
    mode: str = "live"
    session_id: str = ""
    certainty: int = 0
    upheld: bool = False
    parked: str = ""
    exempt: bool = False
    began: int = 0


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
    """One speech segment waiting for its pane to close; how long it took, and how long before `at_ms` it ended."""

    at_ms: int
    rank: int
    text: str
    offset: int
    took_ms: int = UNTIMED
    ago_ms: int = 0


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


class Asked(Struct, frozen=True, gc=False, array_like=True):
    """Of a prompt, what `signals.excitation` compares."""

    at_ms: int
    kind: int
    text: str


class Excitation(Struct, gc=False, array_like=True):
    """What `signals.excitation` keeps: prompts of the last minutes, and sums under each shift of time."""

    past: bytes = packed.EMPTY  # a msgpack array of Asked, by time
    oldest_ms: int = FOREVER_MS  # of them
    halves: tuple[int, ...] = (0, 0, 0, 0)  # prompts per half of the last block and this one
    onsets: int = 0  # of this block
    sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    end_ms: int = 0  # of the last block, when it had no break
    window_blocks: int = 0
    window_onsets: int = 0
    window_sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    window_prompts: tuple[int, ...] = (0, 0, 0)


class Counts(Struct, gc=False, array_like=True):
    """Totals of the session, for summaries."""

    joined: int = 0
    left: int = 0
    liked: int = 0
    followed: int = 0
    shared: int = 0
    comments: int = 0
    gifts: int = 0
    orders: int = 0
    speech: int = 0
    replies: int = 0
    actions: int = 0
    markers: int = 0
    prompts: int = 0
    answered: int = 0
    late: int = 0


class Ties(Struct, gc=False, array_like=True):
    """What ties a room to others: what it shows, what the identity agent has told it. Of one session.

    Attributes:
        seen: voices and faces, as `kind:identity`, with when they were last noticed; the latest last.
        withdrawn: identities that the room showed and no longer does, until it has said so.
        fleets: matches that hold, by `kind:identity`.
        brand_id, permitted_rooms, registry_offset, upheld_mark: what the registry last said of the host; 0 and "" when
            it did not, -1 for the offset.
        index, threshold, allowed: the session's place in the platform's order (0: none yet), the mass it needs, and the
            families that may be at RESTRICT (`audit.elond`).
        spoken_ms: when the room last told its identities.
        answered: the registry has spoken of the host in this session, if only to say that it does not know him.
    """

    seen: tuple[tuple[str, int], ...] = ()
    withdrawn: tuple[str, ...] = ()
    fleets: tuple[tuple[str, Fleet], ...] = ()
    brand_id: str = ""
    permitted_rooms: int = 0
    registry_offset: int = -1
    upheld_mark: int = 0
    index: int = 0
    threshold: float = 0.0
    allowed: tuple[str, ...] = ()
    spoken_ms: int = 0
    answered: bool = False


class Room(Struct, gc=False, array_like=True):
    """A live room.

    Attributes:
        offset: last source offset applied; anything at or below is a replay.
        first_offset: source offset at which the present session began.
        max_at_ms: newest event time accepted; the watermark is 60 s behind.
        due_ms: watermark at which the oldest open pane, or the block, must close, or a request falls due.
        changed: bits of facts that changed since rules last looked (see `audit.facts`).
    """

    room_id: str
    partition: int = 0
    offset: int = -1
    first_offset: int = -1
    phase: int = 0
    session_id: str = ""
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
    max_at_ms: int = 0
    due_ms: int = FOREVER_MS
    session_start_ms: int = 0  # event time of the first event of the session that this worker saw
    closed_ms: int = 0
    paused_since_ms: int = 0
    published_ms: int = 0
    heartbeat_ms: int = 0
    block_start_ms: int = 0
    changed: int = 0
    seen_viewer: bytearray = bytearray()
    seen_other: bytearray = bytearray()
    seen_viewer_at: int = 0
    seen_other_at: int = 0
    panes: dict[int, Pane] = {}
    prompts: tuple[Prompt, ...] = ()
    answered_due_ms: tuple[int, ...] = ()  # when prompts fall due that were answered, at most one per block
    block: Block = field(default_factory=Block)
    counts: Counts = field(default_factory=Counts)
    facts: Facts = field(default_factory=Facts)
    families: dict[str, Family] = {}
    speech: SpeechRing | None = None
    said: Said | None = None
    play_tokens: float = 30.0
    play_tokens_long: float = 120.0
    play_refill_ms: int = 0
    challenges: tuple[tuple[int, int], ...] = ()  # last 12 results: at_ms, failed 0/1
    last_speech_ms: int = 0
    last_reply_ms: int = 0
    resumed_ms: int = 0
    absent_since_ms: int = 0
    unbroken_since_ms: int = 0
    marked: AiPresenter = AiPresenter()  # what markers alone say; facts.ai_presenter adds the families' levels
    label_marks: tuple[tuple[int, bool], ...] = ()  # when the label came and went
    mentions: tuple[tuple[int, int], ...] = ()  # of virtual-host software: at_ms, code
    excerpts: tuple[Excerpt, ...] = ()
    episodes: dict[str, Episode] = {}
    reviews: list[tuple[str, str, str]] = []  # violation_id, outcome, by: waiting for the policy layer
    breaks: tuple[tuple[int, int], ...] = ()  # that ended, start and end ms, until their blocks have closed
    marks: dict[str, list[tuple[int, bool]]] = {}  # since when what rules ask the share of has held or not
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

    @property
    def watermark_ms(self) -> int:
        """Event time up to which this room's log is taken as complete."""
        return self.max_at_ms - LATENESS_MS

    def evidence(self, family: str) -> Family | None:
        """The evidence behind a family's present level; None when it has not begun.

        From LIMIT up PLAY rests on its longer allowance; AI stands in for UNLABELLED until a label was seen.
        """
        if family == "PLAY" and self.level("PLAY") >= Level.LIMIT:
            return self.families.get("PLAY_LONG")
        return self._family(family)

    def level(self, family: str) -> int:
        """The level (`audit.evidence.Level`) that a family has reached; 0 when it has not begun.

        RESTRICT takes more than this room's evidence: the platform's share of false restrictions (`audit.elond`).
        """
        state = self._family(family)
        if state is None:
            return Level.NONE
        if state.level >= Level.RESTRICT and (self.ties is None or state.name not in self.ties.allowed):
            return Level.LIMIT
        return state.level

    def _family(self, name: str) -> Family | None:
        state = self.families.get(name)
        return self.families.get("AI") if state is None and name == "UNLABELLED" else state
