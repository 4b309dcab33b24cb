"""Panes and blocks: event time passing. A pane closes when the watermark has passed its end, and folds into its block.

Panes are integer milliseconds, half-open `[start, start + 10 s)`; blocks are 5 min, and begin at the room's own times
(`room.block_start`). Within a pane everything is folded in event-time order (ties by a hash of the event id), so order
of arrival within lateness changes nothing.
"""

from worker.audit import levels, requests
from worker.audit.evidence import Level, copy_as, new_family, step
from worker.audit.facts import BLOCK_BIT, FACT_BIT, REQUEST_BIT, Driven
from worker.audit.markers import fleet, label, presenter
from worker.audit.numbers import whole
from worker.audit.room import BLOCK_MS, LATENESS_MS, PANE_MS, Block, Pane, Phase, Room, Utterance, spoken_in
from worker.audit.signals import cadence, challenge, detectors, excitation, loop, replies, scripts
from worker.audit.text import words

LABELLED_SHARE = 0.5
PASSED_RECENTLY_MS = 3_600_000


def open_pane(room: Room, at_ms: int) -> Pane:
    """Return the open pane of an event time; open it if need be."""
    start = at_ms - (at_ms - room.block_start_ms) % PANE_MS
    pane = room.panes.get(start)
    if pane is None:
        pane = room.panes[start] = Pane(start)
        room.due_ms = min(room.due_ms, start + PANE_MS)
    return pane


def close_due(room: Room, watermark_ms: int) -> None:
    """Close every pane and block whose end the watermark has reached, in the order of their ends; in between make the
    requests that fall due while it passes."""
    while watermark_ms >= room.due_ms:
        block_end = room.block_start_ms + BLOCK_MS
        first = min(room.panes, default=None)
        closes_ms = block_end if first is None else min(first + PANE_MS, block_end)
        if _asks_ms(room) < closes_ms:
            _ask(room)
        elif first is not None and first + PANE_MS <= block_end:
            if first + PANE_MS > watermark_ms:
                break
            _fold(room, room.panes.pop(first))
        else:
            _close_block(room, block_end)
            until_ms = min(watermark_ms, _asks_ms(room))
            if first is None and not room.prompts and until_ms - room.block_start_ms > BLOCK_MS:
                _skip_silence(room, until_ms)
        room.due_ms = _next_due(room)


def close_all(room: Room) -> None:
    """The session is over: nothing more can come, so everything open closes."""
    close_due(room, room.max_at_ms + PANE_MS)
    close_due(room, room.block_start_ms + BLOCK_MS)


def _next_due(room: Room) -> int:
    block_end = room.block_start_ms + BLOCK_MS
    first = min(room.panes, default=None)
    return min(block_end if first is None else min(first + PANE_MS, block_end), _asks_ms(room))


def _asks_ms(room: Room) -> int:
    """The watermark at which the next request falls due: requests look at event time, folding at the watermark."""
    return room.block_start_ms + BLOCK_MS if room.asking is None else room.asking.due_ms - LATENESS_MS


def _ask(room: Room) -> None:
    state = room.asking
    assert state is not None, "only what asks falls due"
    heard = room.counts.speech > 0 and not state.signs
    kinds = (*(("say",) if heard else ()), "gesture", "show")
    requests.fall_due(state, may_ask=room.phase == Phase.LIVE, kinds=kinds)
    if state.pending:
        room.changed |= REQUEST_BIT


def _skip_silence(room: Room, watermark_ms: int) -> None:
    """Nothing was open: jump over empty blocks at once."""
    latest_ms = watermark_ms - BLOCK_MS
    start_ms = latest_ms - (latest_ms - room.block_start_ms) % BLOCK_MS
    _close_scripts(room, start_ms)
    room.block_start_ms = start_ms


def _fold(room: Room, pane: Pane) -> None:
    speech = spoken_in(pane)
    spoken = [words(utterance.text) for utterance in speech]
    locked = loop.fold(room, pane, speech, spoken)
    replies.fold(room, pane, speech, spoken, locked)
    if speech:
        cadence.fold(room, speech)
        _close_scripts(room, pane.start_ms)
        scripts.hear(room, spoken, pane.start_ms)
    detectors.fold(room, pane)
    posed = challenge.pose(room, pane)
    if room.asking is not None:
        _learn(room, room.asking, pane, speech, posed)
    if challenge.fold(room, pane):
        if levels.update(room, "CHALLENGE"):
            presenter.combine(room, pane.start_ms + PANE_MS)
        if room.asking is not None:
            room.asking.watched = room.families["CHALLENGE"].level >= Level.WATCH
        _set_driven(room, room.facts.driven.replies, pane.start_ms + PANE_MS)
    if speech and levels.update(room, "PLAY"):
        presenter.combine(room, pane.start_ms + PANE_MS)


def _learn(room: Room, state: requests.Asking, pane: Pane, speech: list[Utterance], posed: list[int]) -> None:
    """What a pane tells the policy of asking: when challenges were issued, whether speech repeats, and ids to draw
    times from."""
    now_ms = pane.start_ms + PANE_MS + LATENESS_MS
    ranks = [p.rank for p in pane.prompts] + [u.rank for u in speech] + [look.order for look in pane.looks]
    ranks += [rank for _, rank, _ in pane.issued]
    ranks += [rank for _, rank, _, outcome in pane.challenges if outcome != challenge.VOID]
    requests.stir(state, whole(ranks))
    for at_ms in posed:
        requests.note_issued(state, at_ms, now_ms)
    if speech and "PLAY" in room.families:
        requests.look(state, requests.PLAY, room.families["PLAY"], now_ms)


def _close_block(room: Room, end_ms: int) -> None:
    block = room.block
    start_ms = room.block_start_ms
    replies.fall_due(room, min(end_ms, room.max_at_ms))  # a session that closes takes nobody's 90 s
    block.paused_ms = _paused_ms(room, start_ms, end_ms)
    _forget_breaks(room, end_ms)
    voice_visual = detectors.values(block)
    _forget_versions(room, detectors.close(room, end_ms))
    labelled = label.labelled_ms(room, start_ms, end_ms) >= LABELLED_SHARE * BLOCK_MS
    if labelled and "UNLABELLED" not in room.families:
        _part_from_ai(room)
    _bet(room, "AI", end_ms, voice_visual)
    if "UNLABELLED" in room.families:
        _bet(room, "UNLABELLED", end_ms, (None, None) if labelled else voice_visual)
    silent = replies.value(room)
    if silent:
        replies.quote_questions(room)
    _bet(room, "NONINT", end_ms, (silent, excitation.close(room)))
    _close_scripts(room, end_ms)
    room.counts.prompts += block.due
    room.counts.answered += block.answered
    for name in ("AI", "UNLABELLED", "NONINT", "PLAY", "CHALLENGE"):
        levels.update(room, name)
    _set_driven(room, block.answered + block.replies > 0 or (silent is None and room.facts.driven.replies), end_ms)
    label.refresh(room)
    if room.asking is not None:
        _suspect(room, room.asking, end_ms + LATENESS_MS)
    room.block = Block()
    room.block_start_ms = end_ms
    presenter.combine(room, end_ms)  # of two sides of a family one can gain while its level stays
    room.changed |= BLOCK_BIT


def _close_scripts(room: Room, until_ms: int) -> None:
    if scripts.close(room, until_ms):
        fleet.forget_scripts(room)


def _forget_versions(room: Room, changed: tuple[bool, bool]) -> None:
    """A detector has changed its version: the previous Y of its signal was another instrument's."""
    for name in ("AI", "UNLABELLED"):
        family = room.families.get(name)
        if family is not None:
            family.prev = tuple(None if new else prev for new, prev in zip(changed, family.prev, strict=True))


def _suspect(room: Room, state: requests.Asking, now_ms: int) -> None:
    """What a block tells the policy of asking: how suspicious the room looks without its challenges."""
    ai = room.families.get("UNLABELLED") or room.families.get("AI")
    if ai is not None:
        requests.look(state, requests.AI, ai, now_ms)
    if "NONINT" in room.families:
        requests.look(state, requests.NONINT, room.families["NONINT"], now_ms)
    missing = () if room.block.paused_ms else detectors.missing(room.block)
    requests.sample(state, missing, ai is not None and ai.level == Level.WATCH, now_ms)
    if state.pending:
        room.changed |= REQUEST_BIT


def _part_from_ai(room: Room) -> None:
    """The first labelled block: from here UNLABELLED, for which AI stood in, goes its own way."""
    ai = room.families.get("AI")
    room.families["UNLABELLED"] = copy_as("UNLABELLED", ai) if ai else new_family("UNLABELLED", room.session_start_ms)


def _paused_ms(room: Room, start_ms: int, end_ms: int) -> int:
    """For how much of [start, end) a break was declared."""
    breaks = room.breaks
    if room.phase == Phase.PAUSED:
        breaks = (*breaks, (room.paused_since_ms, end_ms))
    return whole(max(0, min(end, end_ms) - max(begin, start_ms)) for begin, end in breaks)


def _forget_breaks(room: Room, end_ms: int) -> None:
    """Drop the breaks that ended by `end_ms`."""
    if room.breaks:
        room.breaks = tuple(span for span in room.breaks if span[1] > end_ms)


def _bet(room: Room, name: str, at_ms: int, y: tuple[float | None, ...]) -> None:
    """One step of a block's family. A family begins with its first bet; abstaining only forgets the previous Y.

    Time accrues linearly in M, so steps in which everything abstains need not be taken.
    """
    family = room.families.get(name)
    if all(value is None for value in y):
        if family is not None:
            family.prev = (None,) * len(y)
        return
    if family is None:
        family = room.families[name] = new_family(name, room.session_start_ms)
    step(family, at_ms, y)


def _set_driven(room: Room, replies: bool, at_ms: int) -> None:
    passed = challenge.passed_since(room, at_ms - PASSED_RECENTLY_MS)
    old = room.facts.driven
    if replies != old.replies or passed != old.challenges_passed:
        room.facts.driven = Driven(replies, passed, at_ms)
        room.changed |= FACT_BIT["driven"]
