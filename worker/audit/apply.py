"""One event enters a room. Everything the core does begins here; what rules make of it is `policy.judge`.

The way of an event: its clock is no further ahead than its type may be → append time passes → it was not seen before →
its session is right → event time passes, closing panes and blocks → it is not late → its handler changes the room.
Counting a viewer's event costs one addition: a like or a join is no evidence, so one that is delivered twice counts
twice. Everything that can weigh is taken once: by the latest 64 ids of a side, 8 of heartbeats (64 if their clock is
ahead), and, since a repeat has the time of the first, by what its open pane holds.
"""

from collections.abc import Callable
from typing import Any

from xxhash import xxh3_64_intdigest, xxh32_intdigest

from worker.audit import announce, arrival, breaks, clocks, labelled, packed, registers
from worker.audit import events as e
from worker.audit.facts import REVIEW_BIT
from worker.audit.lifecycle import describe, pause
from worker.audit.markers import (
    fleet,
    frame,
    label,
    likeness,
    media,
    persona,
    provenance,
    registration,
    restriction,
    software,
    watermark,
)
from worker.audit.reviews import waiting
from worker.audit.room import (
    CHALLENGES_PER_PANE,
    LATENESS_MS,
    PROMPT_CHARS,
    PROMPTS_PER_PANE,
    REPLIES_PER_PANE,
    REVIEWS_MAX,
    SPEECH_CHARS,
    SPEECH_PER_PANE,
    Phase,
    Prompt,
    Room,
    Utterance,
    spoken_in,
)
from worker.audit.sessions import SILENCE_MS, Status, admit, start_again
from worker.audit.signals import cadence, challenge, detectors
from worker.audit.signals.bots import viewer_hash
from worker.audit.signals.replies import GIFT, GREETING, ORDER, QUESTION
from worker.audit.text import is_greeting, is_question
from worker.audit.windows import close_due, open_pane

Handler = Callable[[Room, Any, int, int], None]
"""Changes the room by an event at effective time; takes its offset and the time that orders registers (`arrival`)."""

_REPEATABLE, _VIEWER, _OTHER, _BEAT = arrival.REPEATABLE, arrival.BY_VIEWER, arrival.BY_OTHERS, arrival.BEAT
_SPEECH, _PROMPT, _REPLY, _LOOK = clocks.SPEECH, clocks.PROMPT, clocks.ANSWER, 3
_COUNTER, _REGISTER, _FACT, _CHALLENGE, _ANSWER, _SESSION = range(4, 10)
_JOINED, _CAN_BE_LATE, _OF_A_BROADCAST = _REPLY, _LOOK, _COUNTER
"""Kinds of events, in this order: those that signals join up to `_JOINED`, statistics up to `_CAN_BE_LATE`. Registers,
facts and challenges are never late. Answers come over other partitions, or from people who take their time, and so tell
nothing of how far the room is. What is up to `_OF_A_BROADCAST` counts for nothing once its session has closed."""

_REPLIES = ("thank_gift", "pin_comment")
"""Actions that answer viewers."""

# Plain names for the hot path: an attribute of an enum costs as much as a comparison.
_CLOSED, _GATEWAY = int(Phase.CLOSED), arrival.GATEWAY
_APPLIED, _DUPLICATE, _LATE, _AHEAD = Status.APPLIED, Status.DUPLICATE, Status.LATE, Status.AHEAD


def apply(room: Room, event: e.Event, offset: int, appended_ms: int) -> Status:
    """Apply one event that stands at `offset` in the room's log; changes the room in place.

    `appended_ms` is its append time, Unix ms. Returns what became of it. `room.changed` collects what rules must look
    at again.
    """
    said, at_ms, before_ms = event, event.at_ms, room.appended_ms
    passed_ms = appended_ms - before_ms
    if passed_ms < 0:
        appended_ms = before_ms
    key_ms, delay_ms = at_ms, appended_ms - at_ms
    if delay_ms < 0:
        if arrival.is_too_far_ahead(event, appended_ms):
            return _AHEAD
        key_ms = arrival.key_ms(at_ms, appended_ms)
        event, at_ms = arrival.shifted(event, delay_ms), appended_ms
    if passed_ms > SILENCE_MS and before_ms and (status := start_again(room, event, appended_ms)) is not _APPLIED:
        return status
    room.appended_ms = appended_ms
    handler, memory, kind, source = HANDLERS[type(event)]
    told_ms = arrival.told_ms(event) if kind == _SPEECH and isinstance(event, e.HostSpeech) else at_ms
    session, name, is_late = room.session, event.session_id, False
    if (
        kind == _SESSION
        or session.phase == _CLOSED
        or (name != session.id if name is not None else told_ms < session.began_ms or not session.began_ms)
    ):
        status = _enter(room, event, said, offset, told_ms, memory)
        if status is not _APPLIED and status is not _LATE:
            return status
        session = room.session
        if status is _LATE and kind <= _OF_A_BROADCAST:  # off the air
            labelled.note_delay(room, delay_ms)
            arrival.advance(room, at_ms, told_ms, source)
            return _late(room)
        if memory == _BEAT and at_ms < session.newest_ms:
            source = arrival.UNTIMED  # a newer one has told how far the gateway is
    elif memory and not arrival.take_id(room, event.id, memory):
        return _DUPLICATE
    if delay_ms < session.least_delay_ms:
        labelled.note_delay(room, delay_ms)
    in_order = source == _GATEWAY and at_ms > room.max_at_ms and not room.slowest_ms
    if in_order:  # as a rule; `advance` would do the same
        room.max_at_ms = room.heard_ms = at_ms
        room.watermark_ms = until_ms = at_ms - LATENESS_MS
        if until_ms >= session.due_ms:
            close_due(room, until_ms)
    elif kind != _ANSWER and arrival.advance(room, at_ms, told_ms, source) and kind <= _CAN_BE_LATE:
        is_late = True
    if kind <= _JOINED:
        clocks.note(session, kind, at_ms, told_ms, delay_ms, is_late)
    if is_late:
        if kind <= _JOINED:
            _show_sign_of_life(room, event, told_ms)
        return _late(room)
    handler(room, event, offset, key_ms)
    if room.changed or (not in_order and room.watermark_ms >= session.label_due_ms):
        labelled.refresh(room)
    return _APPLIED


def _late(room: Room) -> Status:
    """Count an event that is late. It tells of nothing but how far the room is, by which a label may be missing now."""
    room.session.counts.late += 1
    if room.watermark_ms >= room.session.label_due_ms:
        labelled.refresh(room)
    return _LATE


def _enter(room: Room, event: e.Event, said: e.Event, offset: int, told_ms: int, memory: int) -> Status:
    """Find the session of an event that is not plainly of the one on the air; `said` is it before its times moved."""
    digest = arrival.id_hash(event.id) if memory else b""
    if memory and arrival.is_known(room, digest, memory):
        return _DUPLICATE
    status = admit(room, event, said, offset, told_ms)
    if memory == _BEAT and status is _APPLIED:
        arrival.remember_beat(room, digest, said.at_ms > event.at_ms)
    elif memory and (status is _APPLIED or status is _LATE):
        arrival.remember(room, digest, memory)
    return status


# --- the room itself -------------------------------------------------------------------------------------------


def _on_heartbeat(room: Room, event: e.RoomHeartbeat, offset: int, key_ms: int) -> None:
    describe(room, event, offset, key_ms)
    if event.label is not None:
        label.apply(room, label.carried(event, event.label), offset, key_ms)


def _on_paused(room: Room, event: e.RoomPaused, offset: int, key_ms: int) -> None:
    pause(room, (key_ms, registers.rank(event)), event.at_ms, breaks.PAUSED)
    frame.refresh_idle(room)


def _on_resumed(room: Room, event: e.RoomResumed, offset: int, key_ms: int) -> None:
    pause(room, (key_ms, registers.rank(event)), event.at_ms, breaks.RESUMED)


def _on_closed(room: Room, event: e.RoomClosed, offset: int, key_ms: int) -> None:
    """`sessions.admit` has closed the session, before time passed."""


# --- viewers ---------------------------------------------------------------------------------------------------


def _on_joined(room: Room, event: e.ViewerJoined, offset: int, key_ms: int) -> None:
    room.session.counts.joined += 1


def _on_left(room: Room, event: e.ViewerLeft, offset: int, key_ms: int) -> None:
    room.session.counts.left += 1


def _on_liked(room: Room, event: e.ViewerLiked, offset: int, key_ms: int) -> None:
    room.session.counts.liked += event.count


def _on_followed(room: Room, event: e.ViewerFollowed, offset: int, key_ms: int) -> None:
    room.session.counts.followed += 1


def _on_shared(room: Room, event: e.ViewerShared, offset: int, key_ms: int) -> None:
    room.session.counts.shared += 1


def _on_comment(room: Room, event: e.ViewerComment, offset: int, key_ms: int) -> None:
    room.session.counts.comments += 1
    text = event.text
    if event.viewer_id == room.session.host_id:
        software.read(room, text, event.at_ms, "comment", offset)
        return
    if event.question or (event.question is None and is_question(text)):
        _prompt(room, event, QUESTION, text, offset)
    elif is_greeting(text):
        _prompt(room, event, GREETING, text, offset)


def _on_gift(room: Room, event: e.ViewerGift, offset: int, key_ms: int) -> None:
    room.session.counts.gifts += 1
    _prompt(room, event, GIFT, "", offset)


def _on_order(room: Room, event: e.ViewerOrder, offset: int, key_ms: int) -> None:
    room.session.counts.orders += event.quantity
    _prompt(room, event, ORDER, "", offset)


def _on_tally(room: Room, event: e.ViewerTally, offset: int, key_ms: int) -> None:
    counts = room.session.counts
    counts.joined += event.joined
    counts.left += event.left
    counts.liked += event.liked
    counts.followed += event.followed
    counts.shared += event.shared
    counts.comments += event.comments
    counts.gifts += event.gifts
    counts.orders += event.orders


def _prompt(
    room: Room, event: e.ViewerComment | e.ViewerGift | e.ViewerOrder, kind: int, text: str, offset: int
) -> None:
    """Keep a prompt in its pane: those with the smallest hashes, whatever order they arrive in."""
    pane = open_pane(room, event.at_ms)
    rank = xxh3_64_intdigest(event.id.encode())
    kept = pane.prompts
    for prompt in kept:
        if prompt.rank == rank:
            return
    pane.prompts_seen += 1
    if len(kept) >= PROMPTS_PER_PANE and rank >= kept[-1].rank:
        return
    comment = xxh32_intdigest(event.comment_id.encode()) if isinstance(event, e.ViewerComment) else 0
    viewer = viewer_hash(event.viewer_id)
    new = Prompt(rank, event.at_ms, kind, text[:PROMPT_CHARS], offset, comment, viewer)
    pane.prompts = tuple(sorted((*kept, new)))[:PROMPTS_PER_PANE]


# --- the host --------------------------------------------------------------------------------------------------


def _on_speech(room: Room, event: e.HostSpeech, offset: int, key_ms: int) -> None:
    at_ms = arrival.told_ms(event)
    pane = open_pane(room, at_ms + clocks.BAND_MS)  # when all prompts that it may answer are known
    rank = xxh3_64_intdigest(event.id.encode())
    if rank.to_bytes(8, "big") in pane.speech:
        return  # repeated; as msgpack writes large numbers
    room.session.counts.speech += 1
    if at_ms > room.session.last_speech_ms:
        room.session.last_speech_ms = at_ms
    software.read(room, event.text, at_ms, "speech", offset)
    if event.voice_id is not None:
        announce.see(room, "voice", event.voice_id, at_ms)
    text = event.text[:SPEECH_CHARS]
    utterance = Utterance(at_ms, rank, text, offset, cadence.took_ms(event, at_ms))
    pane.speech = packed.add(pane.speech, utterance)
    if packed.count(pane.speech) > SPEECH_PER_PANE:
        pane.speech = packed.pack(sorted(spoken_in(pane), key=lambda u: u.rank)[:SPEECH_PER_PANE])
    if room.session.absent_since_ms:
        frame.refresh_idle(room)


def _on_reply(room: Room, event: e.HostReply, offset: int, key_ms: int) -> None:
    room.session.counts.replies += 1
    if event.medium == "sign" and room.session.asking is not None:
        room.session.asking.signs = True
    _note_reply(room, event.at_ms)
    if event.comment_id is not None:
        pane = open_pane(room, event.at_ms)
        named = {*pane.named, (event.at_ms, xxh32_intdigest(event.comment_id.encode()))}
        pane.named = tuple(sorted(named))[:REPLIES_PER_PANE]


def _on_action(room: Room, event: e.HostAction, offset: int, key_ms: int) -> None:
    room.session.counts.actions += 1
    if event.kind in _REPLIES:
        _note_reply(room, event.at_ms)


def _note_reply(room: Room, at_ms: int) -> None:
    room.session.last_reply_ms = max(room.session.last_reply_ms, at_ms)
    pane = open_pane(room, at_ms)
    if at_ms not in pane.replies:
        pane.replies = tuple(sorted((*pane.replies, at_ms)))[:REPLIES_PER_PANE]
    if room.session.absent_since_ms:
        frame.refresh_idle(room)


def _show_sign_of_life(room: Room, event: e.Event, told_ms: int) -> None:
    """Who spoke or answered was not idle then, however late that is told. It counts for nothing else."""
    if isinstance(event, e.HostSpeech | e.HostReply) or (isinstance(event, e.HostAction) and event.kind in _REPLIES):
        room.session.last_reply_ms = max(room.session.last_reply_ms, told_ms)
        if room.session.absent_since_ms:
            frame.refresh_idle(room)


# --- AI markers ------------------------------------------------------------------------------------------------


def _on_detector(room: Room, event: e.DetectorScore, offset: int, key_ms: int) -> None:
    room.session.counts.markers += 1
    detectors.collect(open_pane(room, event.at_ms), event)


def _on_challenge_issued(room: Room, event: e.ChallengeIssued, offset: int, key_ms: int) -> None:
    room.session.counts.markers += 1
    pane = open_pane(room, max(event.at_ms, room.watermark_ms))
    new = (event.at_ms, xxh3_64_intdigest(event.id.encode()), xxh3_64_intdigest(event.challenge_id.encode()))
    pane.issued = tuple(sorted({*pane.issued, new}, key=_rank))[:CHALLENGES_PER_PANE]


def _on_challenge_result(room: Room, event: e.ChallengeResult, offset: int, key_ms: int) -> None:
    room.session.counts.markers += 1
    pane = open_pane(room, max(event.at_ms, room.watermark_ms))
    rank, posed = xxh3_64_intdigest(event.id.encode()), xxh3_64_intdigest(event.challenge_id.encode())
    new = (event.at_ms, rank, posed, challenge.OUTCOMES[event.outcome])
    pane.challenges = tuple(sorted({*pane.challenges, new}, key=_rank))[:CHALLENGES_PER_PANE]


def _rank(kept: tuple[int, ...]) -> int:
    return kept[1]


def _on_review(room: Room, event: e.ReviewDecided, offset: int, key_ms: int) -> None:
    room.reviews.append(waiting(event, offset, key_ms, room.appended_ms))
    del room.reviews[:-REVIEWS_MAX]
    room.changed |= REVIEW_BIT
    if room.session.phase == _CLOSED:  # its clock stands, so no later time will come
        room.session.identities_due_ms = 0
    else:
        announce.speak_soon(room)


def _marker(then: Handler) -> Handler:
    def count_and_apply(room: Room, event: e.Event, offset: int, key_ms: int) -> None:
        room.session.counts.markers += 1
        then(room, event, offset, key_ms)

    return count_and_apply


HANDLERS: dict[type, tuple[Handler, int, int, int]] = {
    e.RoomOpened: (describe, _OTHER, _SESSION, arrival.GATEWAY),
    e.RoomHeartbeat: (_on_heartbeat, _BEAT, _SESSION, arrival.GATEWAY),
    e.RoomPaused: (_on_paused, _OTHER, _REGISTER, arrival.GATEWAY),
    e.RoomResumed: (_on_resumed, _OTHER, _REGISTER, arrival.GATEWAY),
    e.RoomClosed: (_on_closed, _OTHER, _SESSION, arrival.GATEWAY),
    e.ViewerJoined: (_on_joined, _REPEATABLE, _COUNTER, arrival.GATEWAY),
    e.ViewerLeft: (_on_left, _REPEATABLE, _COUNTER, arrival.GATEWAY),
    e.ViewerLiked: (_on_liked, _REPEATABLE, _COUNTER, arrival.GATEWAY),
    e.ViewerFollowed: (_on_followed, _REPEATABLE, _COUNTER, arrival.GATEWAY),
    e.ViewerShared: (_on_shared, _REPEATABLE, _COUNTER, arrival.GATEWAY),
    e.ViewerComment: (_on_comment, _VIEWER, _PROMPT, arrival.GATEWAY),
    e.ViewerGift: (_on_gift, _VIEWER, _PROMPT, arrival.GATEWAY),
    e.ViewerOrder: (_on_order, _VIEWER, _PROMPT, arrival.GATEWAY),
    e.ViewerTally: (_on_tally, _REPEATABLE, _COUNTER, arrival.GATEWAY),
    e.HostSpeech: (_on_speech, _OTHER, _SPEECH, arrival.DETECTORS),
    e.HostReply: (_on_reply, _OTHER, _REPLY, arrival.GATEWAY),
    e.HostAction: (_on_action, _OTHER, _REPLY, arrival.GATEWAY),
    e.DetectorScore: (_on_detector, _OTHER, _LOOK, arrival.DETECTORS),
    e.WatermarkRead: (_marker(watermark.apply), _OTHER, _FACT, arrival.UNTIMED),
    e.ProvenanceRead: (_marker(provenance.apply), _OTHER, _FACT, arrival.UNTIMED),
    e.LabelState: (_marker(label.apply), _OTHER, _REGISTER, arrival.UNTIMED),
    e.ChallengeIssued: (_on_challenge_issued, _OTHER, _CHALLENGE, arrival.DETECTORS),
    e.ChallengeResult: (_on_challenge_result, _OTHER, _CHALLENGE, arrival.DETECTORS),
    e.PersonaFlag: (_marker(persona.apply), _OTHER, _FACT, arrival.UNTIMED),
    e.LikenessMatch: (_marker(likeness.apply), _OTHER, _FACT, arrival.UNTIMED),
    e.FrameMeasured: (_marker(frame.apply), _OTHER, _REGISTER, arrival.DETECTORS),
    e.ProductMedia: (_marker(media.apply), _OTHER, _FACT, arrival.UNTIMED),
    e.RegistrationState: (_marker(registration.apply), _OTHER, _ANSWER, arrival.UNTIMED),
    e.FleetMatched: (_marker(fleet.apply), _OTHER, _ANSWER, arrival.UNTIMED),
    e.RestrictionTested: (_marker(restriction.apply), _OTHER, _ANSWER, arrival.UNTIMED),
    e.ReviewDecided: (_on_review, _OTHER, _ANSWER, arrival.UNTIMED),
}
"""What each event type does, which memory keeps it from being taken twice, its kind, and the class of its source."""
