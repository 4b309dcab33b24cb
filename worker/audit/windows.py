"""Panes and blocks: event time passing. A pane closes when the watermark has passed its end, and folds into its block.

Panes are integer milliseconds, half-open `[start, start + 10 s)`; blocks are 5 min, and begin at the room's own times
(`room.block_start`). Within a pane everything is folded in event-time order (ties by a hash of the event id), so order
of arrival within lateness changes nothing.
"""

from worker.audit import breaks, clocks, labelled, levels, requests
from worker.audit.evidence import Level, copy_as, new_family, step
from worker.audit.facts import BLOCK_BIT, FACT_BIT, REQUEST_BIT, Driven
from worker.audit.markers import fleet, presenter
from worker.audit.numbers import whole
from worker.audit.room import (
    BLOCK_MS,
    FOREVER_MS,
    LATENESS_MS,
    PANE_MS,
    Block,
    Pane,
    Phase,
    Room,
    Session,
    Utterance,
    spoken_in,
)
from worker.audit.signals import cadence, challenge, detectors, excitation, latency, loop, replies, scripts
from worker.audit.text import words

LABELLED_SHARE = 0.5
PASSED_RECENTLY_MS = 3_600_000
LEAP_MS = 6 * 3_600_000


def open_pane(room: Room, at_ms: int) -> Pane:
    """Return the open pane of an event time; open it if need be."""
    start = at_ms - (at_ms - room.session.block_start_ms) % PANE_MS
    pane = room.session.panes.get(start)
    if pane is None:
        pane = room.session.panes[start] = Pane(start)
        room.session.due_ms = min(room.session.due_ms, start + PANE_MS)
    return pane


def close_due(room: Room, watermark_ms: int) -> None:
    """Close every pane and block whose end the watermark has reached, in the order of their ends; in between make the
    requests that fall due while it passes. Of a leap, as from 1970 to now by one wrong clock, only the last six hours
    are walked through."""
    session = room.session
    if session.asking is not None and watermark_ms - LEAP_MS > session.block_start_ms:
        requests.wait(session.asking, watermark_ms - LEAP_MS)
    if watermark_ms >= session.label_due_ms:
        labelled.refresh(room)
    first, closes_ms, asks_ms = _next(session)
    while watermark_ms >= closes_ms or watermark_ms >= asks_ms:
        if asks_ms < closes_ms:
            _ask(room)
        elif first is not None and first + PANE_MS == closes_ms:
            _fold(room, session.panes.pop(first))
        else:
            _close_block(room, closes_ms)
            until_ms = min(watermark_ms, _asks_ms(session), FOREVER_MS if first is None else first)
            empty_ms = until_ms - session.block_start_ms
            if not session.prompts and empty_ms > (BLOCK_MS if first is None else LEAP_MS):
                _skip_silence(room, until_ms)
        first, closes_ms, asks_ms = _next(session)
    session.due_ms = min(closes_ms, asks_ms, session.label_due_ms)


def next_due(room: Room) -> int:
    """The watermark at which something of the session closes or falls due next."""
    _, closes_ms, asks_ms = _next(room.session)
    return min(closes_ms, asks_ms)


def _next(session: Session) -> tuple[int | None, int, int]:
    """The oldest open pane; the watermark at which it closes, or the block before it; that of the next request."""
    panes, closes_ms = session.panes, session.block_start_ms + BLOCK_MS
    first = min(panes) if panes else None
    if first is not None and first + PANE_MS < closes_ms:
        closes_ms = first + PANE_MS
    return first, closes_ms, _asks_ms(session)


def _asks_ms(session: Session) -> int:
    """The watermark at which the next request falls due: requests look at event time, folding at the watermark."""
    asking = session.asking
    return session.block_start_ms + BLOCK_MS if asking is None else asking.due_ms - LATENESS_MS


def _ask(room: Room) -> None:
    state = room.session.asking
    assert state is not None, "only what asks falls due"
    heard = room.session.counts.speech > 0 and not state.signs
    kinds = (*(("say",) if heard else ()), "gesture", "show")
    requests.fall_due(state, may_ask=room.session.phase == Phase.LIVE, kinds=kinds)
    if state.pending:
        room.changed |= REQUEST_BIT


def _skip_silence(room: Room, watermark_ms: int) -> None:
    """Nothing was open before `watermark_ms`: jump over empty blocks at once."""
    latest_ms = watermark_ms - BLOCK_MS
    start_ms = latest_ms - (latest_ms - room.session.block_start_ms) % BLOCK_MS
    _close_scripts(room, start_ms)
    room.session.block_start_ms = start_ms


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
    if room.session.asking is not None:
        _learn(room, room.session.asking, pane, speech, posed)
    if challenge.fold(room, pane):
        if levels.update(room, "CHALLENGE"):
            presenter.combine(room)
        if room.session.asking is not None:
            room.session.asking.watched = room.session.families["CHALLENGE"].level >= Level.WATCH
        _set_driven(room, room.session.facts.driven.replies, pane.start_ms + PANE_MS)
    if speech and levels.update(room, "PLAY"):
        presenter.combine(room)


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
    if speech and "PLAY" in room.session.families:
        requests.look(state, requests.PLAY, room.session.families["PLAY"], now_ms)


def _close_block(room: Room, end_ms: int) -> None:
    block = room.session.block
    start_ms = room.session.block_start_ms
    replies.fall_due(room, end_ms)
    block.paused_ms = breaks.paused_ms(room.session, start_ms, end_ms)
    block.away_ms = breaks.away_ms(room.session, start_ms, end_ms)
    block.unclear = clocks.close(room, start_ms)
    replies.drop_unheard(room)
    latency.close(room)
    voice_visual = detectors.values(block)
    _forget_versions(room, detectors.close(room, end_ms))
    labelled_ms = labelled.on_ms(room.session, start_ms, end_ms)
    if labelled_ms >= LABELLED_SHARE * BLOCK_MS and "UNLABELLED" not in room.session.families:
        _part_from_ai(room)
    _bet(room, "AI", end_ms, voice_visual)
    if "UNLABELLED" in room.session.families:
        off = labelled.off_ms(room, start_ms, end_ms) > LABELLED_SHARE * BLOCK_MS
        _bet(room, "UNLABELLED", end_ms, voice_visual if off else (None, None))
    silent = replies.value(room)
    if silent:
        replies.quote_questions(room)
    _bet(room, "NONINT", end_ms, (silent, excitation.close(room)))
    breaks.forget(room.session, end_ms)
    _close_scripts(room, end_ms)
    room.session.counts.prompts += block.due
    room.session.counts.answered += block.answered
    for name in ("AI", "UNLABELLED", "NONINT", "PLAY", "CHALLENGE"):
        levels.update(room, name)
    _set_driven(
        room, block.answered + block.replies > 0 or (silent is None and room.session.facts.driven.replies), end_ms
    )
    if room.session.asking is not None:
        _suspect(room, room.session.asking, end_ms + LATENESS_MS)
    room.session.block = Block()
    room.session.block_start_ms = end_ms
    presenter.combine(room)  # of two sides of a family one can gain while its level stays
    room.changed |= BLOCK_BIT


def _close_scripts(room: Room, until_ms: int) -> None:
    if scripts.close(room, until_ms):
        fleet.forget_scripts(room)


def _forget_versions(room: Room, changed: tuple[bool, bool]) -> None:
    """A detector has changed its version: the previous Y of its signal was another instrument's."""
    for name in ("AI", "UNLABELLED"):
        family = room.session.families.get(name)
        if family is not None:
            family.prev = tuple(None if new else prev for new, prev in zip(changed, family.prev, strict=True))


def _suspect(room: Room, state: requests.Asking, now_ms: int) -> None:
    """What a block tells the policy of asking: how suspicious the room looks without its challenges."""
    ai = room.session.families.get("UNLABELLED") or room.session.families.get("AI")
    if ai is not None:
        requests.look(state, requests.AI, ai, now_ms)
    if "NONINT" in room.session.families:
        requests.look(state, requests.NONINT, room.session.families["NONINT"], now_ms)
    missing = () if room.session.block.paused_ms else detectors.missing(room.session.block)
    requests.sample(state, missing, ai is not None and ai.level == Level.WATCH, now_ms)
    if state.pending:
        room.changed |= REQUEST_BIT


def _part_from_ai(room: Room) -> None:
    """The first labelled block: from here UNLABELLED, for which AI stood in, goes its own way."""
    ai = room.session.families.get("AI")
    room.session.families["UNLABELLED"] = (
        copy_as("UNLABELLED", ai) if ai else new_family("UNLABELLED", room.session.start_ms)
    )


def _bet(room: Room, name: str, at_ms: int, y: tuple[float | None, ...]) -> None:
    """One step of a block's family. A family begins with its first bet; abstaining only forgets the previous Y.

    Time accrues linearly in M, so steps in which everything abstains need not be taken.
    """
    family = room.session.families.get(name)
    if all(value is None for value in y):
        if family is not None:
            family.prev = (None,) * len(y)
        return
    if family is None:
        family = room.session.families[name] = new_family(name, room.session.start_ms)
    step(family, room.accrues_ms(at_ms), y)


def _set_driven(room: Room, replies: bool, at_ms: int) -> None:
    passed = challenge.passed_since(room, at_ms - PASSED_RECENTLY_MS)
    old = room.session.facts.driven
    if replies != old.replies or passed != old.challenges_passed:
        room.session.facts.driven = Driven(replies, passed, room.appended_ms)
        room.changed |= FACT_BIT["driven"]
