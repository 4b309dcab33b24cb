"""`excitation`: what the host says and does follows viewers no more than it follows viewers of another time.

Prompts excite: with S(t, d) the sum of exp(−β·(t − d − p)), β = 1/20 s, over the prompts p of the 90 s before t − d
that what the host does at t *fits* (of speech: from 20 s before t − d to 110 s after it, because its clock may
differ), a window has

    L_d = Σ_onsets S(onset, d) / prompts in the window shifted back by d,   d = 0, 2½, 5 minutes

and Y = 1 when L_0 ≤ max(L_2½, L_5): the host fits prompts of minutes ago as well as those just asked. S is the
excitation of a linear Hawkes process (directed information in these: Etesami et al., arXiv 1603.04319), the prompts'
past the placebo. Whoever ignores viewers has three exchangeable L, so E[Y] is 2/3, more where nothing fits at all;
whoever answers has a large L_0. An onset is

    a reply, a thanks, a pinned comment   fits every prompt: its time is all there is
    a segment of speech                   fits as in `unanswered`: with words that are new, and outside of loops

The onset of speech after a pause, alone, tells nothing of a host who talks without one: answers wait for the next
sentence, and L_0 ≈ L_5 (Y 0.2–0.35 for honest hosts against 0.5 for recordings, synthetic; with fitting words 0.0–0.2
against 0.7–0.9).

Windows do not overlap, so E[Y | past] is about new events only: blocks are added up until ten onsets and ten prompts
under each shift are there, three blocks at most: a room in which fewer ask is quiet.

Abstains: until then; a break in the block or the one before, or clocks that disagree (`audit.clocks`); overload, when
more than a fifth of the prompts were beyond what a pane keeps, or more than 64 came in ten minutes. Evasion: an LLM
that answers. Cost: a set intersection per segment and prompt of the last 6½ minutes that lies in one of three spans of
90 s.
"""

from operator import add

from msgspec import msgpack

from worker.audit import breaks, packed
from worker.audit.breaks import DUE_MS
from worker.audit.clocks import BAND_MS
from worker.audit.excited import FOREVER_MS, Asked, Excitation
from worker.audit.numbers import exp, whole
from worker.audit.room import BLOCK_MS, Pane, Prompt, Room

SHIFTS = 3  # by 0, 2½ and 5 minutes
SHIFT_MS = BLOCK_MS // 2
KEPT_MS = (SHIFTS - 1) * SHIFT_MS + DUE_MS + 2 * BAND_MS
DECAY_MS = 20_000.0
ONSETS_MIN = 10
PROMPTS_MIN = 10
BLOCKS_MAX = 3
PAST_MAX = 64
SKIPPED_MAX = 0.25  # of the prompts that fell due; a fifth of all

NO_SUMS = (0.0,) * SHIFTS

_decode = msgpack.Decoder(list[Asked]).decode


def remember(room: Room, pane: Pane, prompts: list[Prompt]) -> None:
    """Fold a pane's prompts, by time; forget those that no shift reaches any more."""
    state = room.session.excitation
    if state is None:
        if not prompts:
            return
        state = room.session.excitation = Excitation()
    oldest_ms = pane.start_ms - KEPT_MS
    if prompts or state.oldest_ms < oldest_ms:
        past = [prompt for prompt in asked(state) if prompt.at_ms >= oldest_ms]
        _keep(state, [*past, *(Asked(prompt.at_ms, prompt.kind, prompt.text) for prompt in prompts)][-PAST_MAX:])
    if prompts:
        halves = list(state.halves)
        halves[-1 if (pane.start_ms - room.session.block_start_ms) % BLOCK_MS >= SHIFT_MS else -2] += len(prompts)
        state.halves = tuple(halves)


def asked(state: Excitation) -> list[Asked]:
    """The prompts that are remembered, by time."""
    return _decode(state.past)


def _keep(state: Excitation, past: list[Asked]) -> None:
    state.past, state.oldest_ms = packed.pack(past), past[0].at_ms if past else FOREVER_MS


def waiting(past: list[Asked], at_ms: int, band_ms: int = 0) -> list[tuple[int, Asked]]:
    """The prompts that waited at `at_ms` under each shift, with the number of the shift.

    `band_ms`: by how much the clock of `at_ms` may differ from that of the prompts.
    """
    found = []
    for prompt in past:
        age_ms = at_ms - prompt.at_ms + band_ms
        if age_ms <= 0:
            break
        shift, rest_ms = divmod(age_ms - 1, SHIFT_MS)
        if rest_ms < DUE_MS + 2 * band_ms and shift < SHIFTS:
            found.append((shift, prompt))
    return found


def excite(state: Excitation, at_ms: int, shift: int, prompt: Asked) -> None:
    """Something of the host at `at_ms` fits a prompt that waited under this shift."""
    sums = list(state.sums)
    sums[shift] += exp(min(0, prompt.at_ms + shift * SHIFT_MS - at_ms) / DECAY_MS)
    state.sums = tuple(sums)


def note_reply(state: Excitation, past: list[Asked], at_ms: int) -> None:
    """A reply, a thanks or a pinned comment: an onset that fits whoever waits."""
    state.onsets += 1
    for shift, prompt in waiting(past, at_ms):
        excite(state, at_ms, shift, prompt)


def close(room: Room) -> float | None:
    """The block closes: the window's value, None while it is open or when it cannot tell. Call it once a block."""
    state, block, end_ms = room.session.excitation, room.session.block, room.session.block_start_ms + BLOCK_MS
    if state is None:
        return None
    follows = state.end_ms == room.session.block_start_ms  # on a block without a break
    had_break = block.paused_ms > 0 or block.away_ms > 0
    unclear = had_break or bool(block.unclear)
    state.end_ms = 0 if unclear else end_ms
    overloaded = whole(state.halves) > PAST_MAX or block.skipped > SKIPPED_MAX * (block.due + block.discounted)
    onsets, sums, halves = state.onsets, state.sums, state.halves
    state.onsets, state.sums = 0, NO_SUMS
    state.halves = (*halves[2:], 0, 0)
    if had_break or state.oldest_ms < end_ms - KEPT_MS:
        past = [prompt for prompt in asked(state) if prompt.at_ms >= end_ms - KEPT_MS]
        _keep(state, [prompt for prompt in past if not (had_break and breaks.voids(room.session, prompt.at_ms))])
    if unclear or not follows or overloaded:
        _restart(state)
        return None
    state.window_blocks += 1
    state.window_onsets += onsets
    state.window_sums = tuple(map(add, state.window_sums, sums))
    state.window_prompts = tuple(n + halves[2 - k] + halves[3 - k] for k, n in enumerate(state.window_prompts))
    value = None
    if state.window_onsets >= ONSETS_MIN and min(state.window_prompts) >= PROMPTS_MIN:
        now, *before = (s / n for s, n in zip(state.window_sums, state.window_prompts, strict=True))
        value = float(now <= max(before))
    if value is not None or state.window_blocks >= BLOCKS_MAX:
        _restart(state)
    return value


def _restart(state: Excitation) -> None:
    state.window_blocks = state.window_onsets = 0
    state.window_sums = NO_SUMS
    state.window_prompts = (0,) * SHIFTS
