"""When to ask the platform for a challenge, and for more looks: active evidence is how delay falls without a lower bar.

    entry      two challenges, the first 2–4 min after the beginning, the second 5 min later
    spot       then at exponential times, mean 1 h, no sooner than 5 min, no later than 3 h
    mounting   while C, the CUSUM of CHALLENGE's ln e, is above 0: 2 min after the last was issued
    suspicion  when passive suspicion, the largest CUSUM of the other families' ln e, reaches 2 nats: one within 30 s,
               then after 6 min doubling to 48 min while passed

with CUSUM ← min(max(0, CUSUM + ln e), cap). Never more than 12 in any hour, whoever had the idea to issue them, or 20
while CHALLENGE stands at WATCH or above, which an honest room comes to at most once in 100 hours; never in a break.
After three requests in a row that no challenge followed the platform has shown that it does not answer: one try every
three hours. More looks are asked for at most every 10 min.

Nobody's clock drives this but the room's event time: what was folded at watermark W is known at W + lateness, and a
request that fell due at D is made by the first event at or after D, with D as its time. So the order of arrival within
lateness changes no request. Times are drawn from a hash over the ids of the events seen so far: replay draws the same,
and the host, who neither chooses nor sees the ids that gateways give, cannot know them beforehand.

Asking changes no verdict: what weighs is `challenge.result` in the room's log.
"""

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from worker.audit.evidence import ACCRUE, HEAD, MS_PER_HOUR, Family
from worker.audit.numbers import log, whole

FOREVER_MS = 1 << 62
SECOND_MS, MINUTE_MS = 1_000, 60_000
PER_HOUR, PER_HOUR_WATCHED = 12, 20
ANSWER_MS = 45 * SECOND_MS
ENTRY_CHALLENGES = 2
ENTRY_FROM_MS, ENTRY_SPREAD_MS, ENTRY_GAP_MS = 2 * MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS
SPOT_MEAN_MS, SPOT_MIN_MS, SPOT_MAX_MS = MS_PER_HOUR, 5 * MINUTE_MS, 3 * MS_PER_HOUR
MOUNTING_GAP_MS = 2 * MINUTE_MS
WITHIN_MS = 30 * SECOND_MS
FIRST_GAP_MS, LAST_GAP_MS = 6 * MINUTE_MS, 48 * MINUTE_MS
SUSPICION_NATS, CALM_NATS = 2.0, 1.0
CUSUM_MAX, SUSPICION_MAX = 25.0, 12.0
UNANSWERED_MAX = 3
SAMPLE_EVERY_MS = 10 * MINUTE_MS
RETRY_MS = MINUTE_MS
PENDING_MAX = 16

AI, NONINT, PLAY = range(3)
"""Slots of passive suspicion. UNLABELLED takes AI's once it has parted from it: a label is nothing to ask about."""

_MASK = (1 << 64) - 1


class Request(Struct, frozen=True, gc=False, array_like=True):
    """Something that the platform is asked for.

    Attributes:
        number: of the session's requests, from 1.
        action: challenge | sample_more.
        reason: entry | spot | mounting | suspicion.
        at_ms, deadline_ms: when it fell due; when the answer (or the looks) must be there.
        kinds: what this host can be asked for (say, gesture, show), or of what looks are missing (voice, face).
        asked: challenges in the hour up to this one, itself among them.
        cusum_nats, suspicion_nats: the numbers that decided.
        per_hour: how many challenges an hour this room may see at present.
    """

    number: int
    action: str
    reason: str
    at_ms: int
    deadline_ms: int
    kinds: tuple[str, ...]
    asked: int
    cusum_nats: float
    suspicion_nats: float
    per_hour: int = PER_HOUR


class Asking(Struct, gc=False, array_like=True):
    """What the policy of asking keeps of a session. Times are event times in Unix ms.

    Attributes:
        due_ms, reason: when the next challenge falls due, and why.
        start_ms: from when the entry challenges are counted.
        seed: hash of the room and session; `stirred` is the sum of hashes of event ids folded so far.
        asked: when the last challenges were issued (or asked for), ascending, at most 20.
        open_ms: when the request was made that no issued challenge has followed yet; 0 for none.
        unanswered: requests in a row that none has followed.
        wait_ms: drawn: how long the first challenge waits beyond its two minutes, later how long after the last
            challenge the next spot check comes.
        soon_ms, gap_ms: when suspicion is first asked about, and then its present gap, 0 before.
        cusum: C, of CHALLENGE's ln e. `suspicion`: the same by slot; `seen`: last step and mass of each slot.
        challenges: how many were asked for or issued. `requests`: of both actions, made so far.
        issued, answered, failed: as the log tells them; answered are passed or failed, not void.
        signs: the host answers by sign.
        watched: CHALLENGE stands at WATCH or above.
    """

    due_ms: int = FOREVER_MS
    reason: str = ""
    start_ms: int = 0
    seed: int = 0
    stirred: int = 0
    asked: list[int] = []
    open_ms: int = 0
    unanswered: int = 0
    wait_ms: int = 0
    soon_ms: int = 0
    gap_ms: int = 0
    suspected: bool = False
    cusum: float = 0.0
    suspicion: tuple[float, ...] = (0.0, 0.0, 0.0)
    seen: dict[int, tuple[int, float]] = {}
    challenges: int = 0
    requests: int = 0
    sampled_ms: int = 0
    issued: int = 0
    answered: int = 0
    failed: int = 0
    signs: bool = False
    pending: list[Request] = []
    watched: bool = False


def begin(key: str, at_ms: int) -> Asking:
    """The policy's state at the beginning of a session, at event time `at_ms`; `key` names room and session."""
    state = Asking(due_ms=at_ms, start_ms=at_ms, seed=xxh3_64_intdigest(key.encode()))
    _plan(state, at_ms)
    return state


def stir(state: Asking, rank: int) -> None:
    """An event was folded; `rank` is the hash of its id. A sum, so that order does not matter."""
    state.stirred = (state.stirred + rank) & _MASK


def wait(state: Asking, until_ms: int) -> None:
    """Ask for nothing before `until_ms`: until then the session was off the air, or its clock leapt."""
    state.due_ms = max(state.due_ms, until_ms)


def end(state: Asking) -> None:
    """The session is over: nothing falls due any more."""
    state.due_ms = FOREVER_MS


# ---- what is learnt


def note_issued(state: Asking, at_ms: int, now_ms: int) -> None:
    """A challenge was issued at `at_ms`, which is known at `now_ms`: because it was asked for, or anyhow."""
    state.issued += 1
    state.unanswered = 0
    if 0 < state.open_ms <= at_ms:
        if state.open_ms in state.asked:
            state.asked.remove(state.open_ms)
        state.open_ms = 0
    else:
        state.challenges += 1
        state.wait_ms = _draw_spot(state)
    state.asked.append(at_ms)
    state.asked.sort()
    del state.asked[:-PER_HOUR_WATCHED]
    _plan(state, now_ms)


def note_answered(state: Asking, failed: bool, nats: float, now_ms: int) -> None:
    """A challenge was passed or failed, which CHALLENGE took for `nats` of ln e."""
    state.answered += 1
    state.failed += failed
    state.cusum = min(max(0.0, state.cusum + nats), CUSUM_MAX)
    if state.cusum > 0 and state.gap_ms:
        state.gap_ms = FIRST_GAP_MS
    _plan(state, now_ms)


def look(state: Asking, slot: int, family: Family, now_ms: int) -> None:
    """A passive family may have taken a step: what it gained goes into its CUSUM."""
    last_ms, mass = state.seen.get(slot, (state.start_ms, HEAD))
    if family.last_ms == last_ms:
        return
    state.seen[slot] = (family.last_ms, family.mass())
    cusums = list(state.suspicion)
    cusums[slot] = min(max(0.0, cusums[slot] + gained(family, last_ms, mass)), SUSPICION_MAX)
    state.suspicion = tuple(cusums)
    nats = max(cusums)
    if nats >= SUSPICION_NATS and not state.suspected:
        state.suspected, state.gap_ms = True, 0
        state.soon_ms = now_ms + int(_draw(state, "soon") * WITHIN_MS)
        _plan(state, now_ms)
    elif nats < CALM_NATS and state.suspected:
        state.suspected = False
        _plan(state, now_ms)


def gained(family: Family, last_ms: int, mass: float) -> float:
    """ln e in nats of a family's step since it stood at `mass` at `last_ms`: what time added is no gain."""
    return log(family.mass() / (mass + ACCRUE * max(0, family.last_ms - last_ms) / MS_PER_HOUR))


# ---- what is asked


def fall_due(state: Asking, *, may_ask: bool, kinds: tuple[str, ...]) -> None:
    """Event time has come to `due_ms`: ask, unless there is a break (`may_ask` false) or the hour is full."""
    now_ms = state.due_ms
    if not state.reason:
        state.reason, state.wait_ms = "entry", int(_draw(state, "entry") * ENTRY_SPREAD_MS)
        state.due_ms += state.wait_ms
        return
    recent = [at for at in state.asked if at > now_ms - MS_PER_HOUR]
    if not may_ask:
        state.due_ms = now_ms + RETRY_MS
        return
    most = _per_hour(state)
    if len(recent) >= most:
        state.due_ms = recent[-most] + MS_PER_HOUR
        return
    if state.open_ms:
        state.open_ms = 0
        state.unanswered += 1
        if state.unanswered == UNANSWERED_MAX:
            _plan(state, now_ms)
            return
    state.asked = [*recent, now_ms]
    state.open_ms = now_ms
    state.challenges += 1
    state.wait_ms = _draw_spot(state)
    if state.reason == "suspicion":
        state.gap_ms = min(2 * state.gap_ms, LAST_GAP_MS) if state.gap_ms else FIRST_GAP_MS
    _request(state, "challenge", state.reason, now_ms, ANSWER_MS, kinds)
    _plan(state, now_ms)


def sample(state: Asking, missing: tuple[str, ...], watched: bool, now_ms: int) -> None:
    """A block has closed: ask for more looks where they would tell.

    `watched`: detectors' evidence stands at WATCH, between a notice and a demand. `missing`: of what there were too few
    looks for a value, which matters while there is other suspicion.
    """
    if state.due_ms == FOREVER_MS or (state.sampled_ms and now_ms - state.sampled_ms < SAMPLE_EVERY_MS):
        return
    if watched or (missing and (state.suspected or state.cusum > 0)):
        state.sampled_ms = now_ms
        _request(state, "sample_more", "suspicion", now_ms, SAMPLE_EVERY_MS, missing or ("voice", "face"))


def take(state: Asking) -> list[Request]:
    """The requests made since the last call; forgets them."""
    made, state.pending = state.pending, []
    return made


def _per_hour(state: Asking) -> int:
    return PER_HOUR_WATCHED if state.watched else PER_HOUR


def _request(state: Asking, action: str, reason: str, now_ms: int, within_ms: int, kinds: tuple[str, ...]) -> None:
    state.requests += 1
    asked = whole(at > now_ms - MS_PER_HOUR for at in state.asked)
    numbers = (state.cusum, max(state.suspicion), _per_hour(state))
    state.pending.append(Request(state.requests, action, reason, now_ms, now_ms + within_ms, kinds, asked, *numbers))
    del state.pending[:-PENDING_MAX]


def _plan(state: Asking, now_ms: int) -> None:
    """Set when the next challenge falls due, from what is known at `now_ms`; never in the past, nor after the end."""
    if state.due_ms == FOREVER_MS:
        return
    last_ms = state.asked[-1] if state.asked else state.start_ms
    if state.unanswered >= UNANSWERED_MAX:
        state.reason, due_ms = "spot", last_ms + SPOT_MAX_MS
    elif state.cusum > 0:
        state.reason, due_ms = "mounting", last_ms + MOUNTING_GAP_MS
    elif not state.challenges:
        due_ms = state.start_ms + ENTRY_FROM_MS + state.wait_ms
    elif state.challenges < ENTRY_CHALLENGES:
        state.reason, due_ms = "entry", last_ms + ENTRY_GAP_MS
    elif state.suspected and state.gap_ms:
        state.reason, due_ms = "suspicion", last_ms + state.gap_ms
    elif state.suspected:
        state.reason, due_ms = "suspicion", max(state.soon_ms, last_ms + MOUNTING_GAP_MS)
    else:
        state.reason, due_ms = "spot", last_ms + state.wait_ms
    state.due_ms = max(due_ms, now_ms)


def _draw_spot(state: Asking) -> int:
    wait_ms = -log(1.0 - _draw(state, "spot")) * SPOT_MEAN_MS
    return int(min(max(wait_ms, SPOT_MIN_MS), SPOT_MAX_MS))


def _draw(state: Asking, what: str) -> float:
    """Uniform in [0, 1): a hash of the room, its session, what was seen, and how many challenges there were."""
    words = f"{what}/{state.seed}/{state.stirred}/{state.challenges}"
    return (xxh3_64_intdigest(words.encode()) >> 11) / (1 << 53)
