"""`loop_lock`: speech segments repeat earlier ones at one lag, as a recording that plays again.

Segments are compared by SimHash (`audit.speech`). Y is the share of a pane's segments that repeat at the modal lag
(± 5 s). It bets only while *armed*: at least 5 of the last 8 segments lock at one lag. Many lags at once are a sales
script, not a loop. Honest replays (a clip, a song) have an allowance: a bucket of 5 minutes of panes for WATCH and
LABEL (`PLAY`), one of 20 minutes for LIMIT and RESTRICT (`PLAY_LONG`), each refilled 10 s a minute; a pane that
repeats uses it up before it may bet.

Abstains: no speech in the pane, not armed, allowance left. Evasion: paraphrase, splicing, no speech at all.
Cost: about 30 µs a segment.
"""

from worker.audit.evidence import new_family, step
from worker.audit.excerpts import quote
from worker.audit.numbers import whole
from worker.audit.room import LATENESS_MS, PANE_MS, Pane, Room, Utterance
from worker.audit.speech import add, modal_lag, new_ring
from worker.audit.text import Words, simhash

BIGRAMS_MIN = 8
ARMED_MIN = 5
TOKEN = 6
"""Tokens are counted in sixths: whole numbers, so that it does not matter in how many steps they were refilled."""
TOKENS_MAX = 30 * TOKEN
TOKENS_LONG_MAX = 120 * TOKEN
REFILL_PER_PANE = 1


def fold(room: Room, pane: Pane, speech: list[Utterance], spoken: list[Words]) -> list[bool]:
    """Fold one pane's speech (sorted by time, with its words); returns which segments repeat at the modal lag."""
    _refill(room, pane.start_ms)
    if not speech:
        return []
    ring = room.session.speech
    if ring is None:
        ring = room.session.speech = new_ring()
    _, locked_before = modal_lag(ring)
    lags: list[list[int] | None] = []
    for utterance, words in zip(speech, spoken, strict=True):
        if len(words.grams) < BIGRAMS_MIN:
            lags.append(None)
            continue
        second = max(0, utterance.at_ms - room.session.start_ms + LATENESS_MS) // 1000
        lags.append(add(ring, second, simhash(words.known)))
    modal, count = modal_lag(ring)
    locked = [bool(found) and count > 0 and any(abs(lag - modal) <= 1 for lag in found or ()) for found in lags]
    long_enough = whole(found is not None for found in lags)
    if locked_before >= ARMED_MIN and long_enough:
        _bet(room, pane.start_ms + PANE_MS, whole(locked) / long_enough)
        if any(locked):
            utterance = speech[locked.index(True)]
            quote(room, utterance.at_ms, "repeated_speech", utterance.text, utterance.offset)
    return [repeats and locked_before >= ARMED_MIN for repeats in locked]


def _refill(room: Room, start_ms: int) -> None:
    session = room.session
    since_ms, session.play_refill_ms = session.play_refill_ms, start_ms
    is_full = session.play_tokens == TOKENS_MAX and session.play_tokens_long == TOKENS_LONG_MAX
    if since_ms and start_ms > since_ms and not is_full:
        refill = (start_ms - since_ms) // PANE_MS * REFILL_PER_PANE
        session.play_tokens = min(TOKENS_MAX, session.play_tokens + refill)
        session.play_tokens_long = min(TOKENS_LONG_MAX, session.play_tokens_long + refill)


def _bet(room: Room, at_ms: int, y: float) -> None:
    session = room.session
    if session.play_tokens < TOKEN:
        _step(room, "PLAY", at_ms, y)
    if session.play_tokens_long < TOKEN:
        _step(room, "PLAY_LONG", at_ms, y)
    if y > 0:
        session.play_tokens -= TOKEN * (session.play_tokens >= TOKEN)
        session.play_tokens_long -= TOKEN * (session.play_tokens_long >= TOKEN)


def _step(room: Room, name: str, at_ms: int, y: float) -> None:
    family = room.session.families.get(name)
    if family is None:
        family = room.session.families[name] = new_family(name, room.session.start_ms)
    step(family, room.accrues_ms(at_ms), (y,))
