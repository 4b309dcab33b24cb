"""One event enters a room. Everything the core does begins here; what rules make of it is `policy.judge`.

The way of an event: its session is right → it is not late → it was not seen before → event time passes, closing panes
and blocks → its handler changes the room. Counting a viewer's event costs one addition: a like or a join is no
evidence, so one that is delivered twice counts twice, and heartbeats say the same when said again. Everything that can
weigh is taken once: by the latest 64 ids of a side, and, since a repeat has the time of the first, by what its open
pane holds.
"""

from collections.abc import Callable
from typing import Any

from xxhash import xxh3_64_digest, xxh3_64_intdigest, xxh32_intdigest

from worker.audit import announce, packed
from worker.audit import events as e
from worker.audit.facts import FACT_BIT, REVIEW_BIT
from worker.audit.lifecycle import SILENCE_MS, Status, admit, end, move
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
from worker.audit.room import (
    CHALLENGES_PER_PANE,
    LATENESS_MS,
    PROMPT_CHARS,
    PROMPTS_PER_PANE,
    REPLIES_PER_PANE,
    REVIEWS_MAX,
    SEEN_MAX,
    SPEECH_CHARS,
    SPEECH_PER_PANE,
    Phase,
    Prompt,
    Room,
    Utterance,
    spoken_in,
)
from worker.audit.signals import cadence, challenge, detectors
from worker.audit.signals.bots import viewer_hash
from worker.audit.signals.replies import GIFT, GREETING, ORDER, QUESTION, meets_break
from worker.audit.text import is_greeting, is_question
from worker.audit.windows import close_due, open_pane

Handler = Callable[[Room, Any, int], None]

_NEVER_LATE = (e.ReviewDecided, *e.ANSWERS)
"""They speak of the log's past: people take their time, and an answer takes the way over another partition."""

_REPEATABLE, _VIEWER, _OTHER = "repeatable", "viewer", "other"
"""Whose memory of recent event ids an event type uses; `_REPEATABLE` ones need none."""

# Plain names for the hot path: an attribute of an enum costs as much as a comparison.
_UNKNOWN, _PAUSED, _CLOSED = int(Phase.UNKNOWN), int(Phase.PAUSED), int(Phase.CLOSED)
_APPLIED, _DUPLICATE, _LATE = Status.APPLIED, Status.DUPLICATE, Status.LATE


def apply(room: Room, event: e.Event, offset: int) -> Status:
    """Apply one event that stands at `offset` in the room's log; changes the room in place.

    Returns what became of it. `room.changed` collects what rules must look at again.
    """
    at_ms = event.at_ms
    max_at_ms = room.max_at_ms
    session = event.session_id
    if (
        (session != room.session_id and session is not None)
        or room.phase == _CLOSED
        or at_ms - max_at_ms > SILENCE_MS  # a new room's is 0
    ):
        status = admit(room, event, offset)
        if status is not _APPLIED:
            return status
        max_at_ms = room.max_at_ms
    if at_ms < max_at_ms - LATENESS_MS and not isinstance(event, _NEVER_LATE):
        room.counts.late += 1
        return _LATE
    handler, once = HANDLERS[event.__class__]
    if once is not _REPEATABLE and not _remember(room, event.id, once is _VIEWER):
        return _DUPLICATE
    if at_ms > max_at_ms and room.phase != _CLOSED and event.__class__ is not e.ReviewDecided:
        room.max_at_ms = at_ms
        if at_ms - LATENESS_MS >= room.due_ms:
            close_due(room, at_ms - LATENESS_MS)
    handler(room, event, offset)
    return _APPLIED


def _remember(room: Room, event_id: str, by_viewer: bool) -> bool:
    """Remember an id; False if it is among the latest 64 of its side. A flood of likes cannot wash out evidence."""
    digest = xxh3_64_digest(event_id.encode())
    ring = room.seen_viewer if by_viewer else room.seen_other
    at = ring.find(digest)
    while at >= 0 and at & 7:
        at = ring.find(digest, at + 1)
    if at >= 0:
        return False
    if len(ring) < SEEN_MAX:
        ring += digest
    elif by_viewer:
        slot = room.seen_viewer_at
        ring[slot : slot + 8] = digest
        room.seen_viewer_at = (slot + 8) % SEEN_MAX
    else:
        slot = room.seen_other_at
        ring[slot : slot + 8] = digest
        room.seen_other_at = (slot + 8) % SEEN_MAX
    return True


# --- the room itself -------------------------------------------------------------------------------------------


def _describe(room: Room, event: e.RoomOpened | e.RoomHeartbeat, offset: int) -> None:
    if (
        event.started_at_ms != room.started_at_ms
        or event.selling is not room.selling
        or event.platform != room.platform
        or event.region != room.region
        or event.host_id != room.host_id
        or event.shop_ids != room.shop_ids
        or (event.title or "") != room.title
        or (event.operator_id or "") != room.operator_id
        or (event.device_id or "") != room.device_id
        or (event.ip_hash or "") != room.ip_hash
        or (event.category or "") != room.category
    ):
        _take_descriptor(room, event, offset)
    if room.phase == _UNKNOWN:
        move(room, "describe", event.at_ms)


def _take_descriptor(room: Room, event: e.RoomOpened | e.RoomHeartbeat, offset: int) -> None:
    before = announce.shown(room)
    title = event.title or ""
    if title and title != room.title:
        software.read(room, title, event.at_ms, "title", offset)
    room.started_at_ms = event.started_at_ms
    room.selling = event.selling
    room.platform = event.platform
    room.region = event.region
    room.host_id = event.host_id
    room.shop_ids = event.shop_ids
    room.title = title
    room.operator_id = event.operator_id or ""
    room.device_id = event.device_id or ""
    room.ip_hash = event.ip_hash or ""
    room.category = event.category or ""
    room.changed |= FACT_BIT["room"]
    announce.redescribed(room, before)


def _on_heartbeat(room: Room, event: e.RoomHeartbeat, offset: int) -> None:
    if event.at_ms < room.heartbeat_ms:
        return  # overtaken by a newer one, which said it all
    room.heartbeat_ms = event.at_ms
    _describe(room, event, offset)
    room.viewers = event.viewers
    if event.paused != (room.phase == _PAUSED):
        move(room, "pause" if event.paused else "resume", event.at_ms)
    if room.absent_since_ms or room.facts.idle.certainty:
        frame.refresh_idle(room)


def _on_paused(room: Room, event: e.RoomPaused, offset: int) -> None:
    move(room, "pause", event.at_ms)
    frame.refresh_idle(room)


def _on_resumed(room: Room, event: e.RoomResumed, offset: int) -> None:
    move(room, "resume", event.at_ms)


def _on_closed(room: Room, event: e.RoomClosed, offset: int) -> None:
    end(room, event.at_ms)


# --- viewers ---------------------------------------------------------------------------------------------------


def _on_joined(room: Room, event: e.ViewerJoined, offset: int) -> None:
    room.counts.joined += 1


def _on_left(room: Room, event: e.ViewerLeft, offset: int) -> None:
    room.counts.left += 1


def _on_liked(room: Room, event: e.ViewerLiked, offset: int) -> None:
    room.counts.liked += event.count


def _on_followed(room: Room, event: e.ViewerFollowed, offset: int) -> None:
    room.counts.followed += 1


def _on_shared(room: Room, event: e.ViewerShared, offset: int) -> None:
    room.counts.shared += 1


def _on_comment(room: Room, event: e.ViewerComment, offset: int) -> None:
    room.counts.comments += 1
    text = event.text
    if event.viewer_id == room.host_id:
        software.read(room, text, event.at_ms, "comment", offset)
        return
    if event.question or (event.question is None and is_question(text)):
        _prompt(room, event, QUESTION, text, offset)
    elif is_greeting(text):
        _prompt(room, event, GREETING, text, offset)


def _on_gift(room: Room, event: e.ViewerGift, offset: int) -> None:
    room.counts.gifts += 1
    _prompt(room, event, GIFT, "", offset)


def _on_order(room: Room, event: e.ViewerOrder, offset: int) -> None:
    room.counts.orders += event.quantity
    _prompt(room, event, ORDER, "", offset)


def _on_tally(room: Room, event: e.ViewerTally, offset: int) -> None:
    counts = room.counts
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
    if room.phase == _PAUSED or (room.breaks and meets_break(room, event.at_ms)):
        return
    pane = open_pane(room, event.at_ms)
    rank = xxh3_64_intdigest(event.id.encode())
    kept = pane.prompts
    if any(prompt.rank == rank for prompt in kept):
        return
    pane.prompts_seen += 1
    if len(kept) >= PROMPTS_PER_PANE and rank >= kept[-1].rank:
        return
    comment = xxh32_intdigest(event.comment_id.encode()) if isinstance(event, e.ViewerComment) else 0
    viewer = viewer_hash(event.viewer_id)
    new = Prompt(rank, event.at_ms, kind, text[:PROMPT_CHARS], offset, comment, viewer)
    pane.prompts = tuple(sorted((*kept, new)))[:PROMPTS_PER_PANE]


# --- the host --------------------------------------------------------------------------------------------------


def _on_speech(room: Room, event: e.HostSpeech, offset: int) -> None:
    pane = open_pane(room, event.at_ms)
    rank = xxh3_64_intdigest(event.id.encode())
    if rank.to_bytes(8, "big") in pane.speech:
        return  # repeated; as msgpack writes large numbers
    room.counts.speech += 1
    room.last_speech_ms = max(room.last_speech_ms, event.at_ms)
    software.read(room, event.text, event.at_ms, "speech", offset)
    if event.voice_id is not None:
        announce.see(room, "voice", event.voice_id, event.at_ms)
    text = event.text[:SPEECH_CHARS]
    utterance = Utterance(event.at_ms, rank, text, offset, *cadence.times(event))
    pane.speech = packed.add(pane.speech, utterance)
    if packed.count(pane.speech) > SPEECH_PER_PANE:
        pane.speech = packed.pack(sorted(spoken_in(pane), key=lambda u: u.rank)[:SPEECH_PER_PANE])
    if room.absent_since_ms:
        frame.refresh_idle(room)


def _on_reply(room: Room, event: e.HostReply, offset: int) -> None:
    room.counts.replies += 1
    if event.medium == "sign" and room.asking is not None:
        room.asking.signs = True
    _note_reply(room, event.at_ms)
    if event.comment_id is not None:
        pane = open_pane(room, event.at_ms)
        named = {*pane.named, (event.at_ms, xxh32_intdigest(event.comment_id.encode()))}
        pane.named = tuple(sorted(named))[:REPLIES_PER_PANE]


def _on_action(room: Room, event: e.HostAction, offset: int) -> None:
    room.counts.actions += 1
    if event.kind in ("thank_gift", "pin_comment"):
        _note_reply(room, event.at_ms)


def _note_reply(room: Room, at_ms: int) -> None:
    room.last_reply_ms = max(room.last_reply_ms, at_ms)
    pane = open_pane(room, at_ms)
    if at_ms not in pane.replies:
        pane.replies = tuple(sorted((*pane.replies, at_ms)))[:REPLIES_PER_PANE]
    if room.absent_since_ms:
        frame.refresh_idle(room)


# --- AI markers ------------------------------------------------------------------------------------------------


def _on_detector(room: Room, event: e.DetectorScore, offset: int) -> None:
    room.counts.markers += 1
    detectors.collect(open_pane(room, event.at_ms), event)


def _on_challenge_issued(room: Room, event: e.ChallengeIssued, offset: int) -> None:
    room.counts.markers += 1
    pane = open_pane(room, event.at_ms)
    new = (event.at_ms, xxh3_64_intdigest(event.id.encode()), xxh3_64_intdigest(event.challenge_id.encode()))
    pane.issued = tuple(sorted({*pane.issued, new}, key=_rank))[:CHALLENGES_PER_PANE]


def _on_challenge_result(room: Room, event: e.ChallengeResult, offset: int) -> None:
    room.counts.markers += 1
    pane = open_pane(room, event.at_ms)
    rank, posed = xxh3_64_intdigest(event.id.encode()), xxh3_64_intdigest(event.challenge_id.encode())
    new = (event.at_ms, rank, posed, challenge.OUTCOMES[event.outcome])
    pane.challenges = tuple(sorted({*pane.challenges, new}, key=_rank))[:CHALLENGES_PER_PANE]


def _rank(kept: tuple[int, ...]) -> int:
    return kept[1]


def _on_review(room: Room, event: e.ReviewDecided, offset: int) -> None:
    room.reviews.append((event.violation_id, event.outcome, event.by))
    del room.reviews[:-REVIEWS_MAX]
    room.changed |= REVIEW_BIT
    announce.speak_soon(room)


def _marker(then: Handler) -> Handler:
    def count_and_apply(room: Room, event: e.Event, offset: int) -> None:
        room.counts.markers += 1
        then(room, event, offset)

    return count_and_apply


HANDLERS: dict[type, tuple[Handler, str]] = {
    e.RoomOpened: (_describe, _OTHER),
    e.RoomHeartbeat: (_on_heartbeat, _REPEATABLE),
    e.RoomPaused: (_on_paused, _OTHER),
    e.RoomResumed: (_on_resumed, _OTHER),
    e.RoomClosed: (_on_closed, _OTHER),
    e.ViewerJoined: (_on_joined, _REPEATABLE),
    e.ViewerLeft: (_on_left, _REPEATABLE),
    e.ViewerLiked: (_on_liked, _REPEATABLE),
    e.ViewerFollowed: (_on_followed, _REPEATABLE),
    e.ViewerShared: (_on_shared, _REPEATABLE),
    e.ViewerComment: (_on_comment, _VIEWER),
    e.ViewerGift: (_on_gift, _VIEWER),
    e.ViewerOrder: (_on_order, _VIEWER),
    e.ViewerTally: (_on_tally, _REPEATABLE),
    e.HostSpeech: (_on_speech, _OTHER),
    e.HostReply: (_on_reply, _OTHER),
    e.HostAction: (_on_action, _OTHER),
    e.DetectorScore: (_on_detector, _OTHER),
    e.WatermarkRead: (_marker(watermark.apply), _OTHER),
    e.ProvenanceRead: (_marker(provenance.apply), _OTHER),
    e.LabelState: (_marker(label.apply), _OTHER),
    e.ChallengeIssued: (_on_challenge_issued, _OTHER),
    e.ChallengeResult: (_on_challenge_result, _OTHER),
    e.PersonaFlag: (_marker(persona.apply), _OTHER),
    e.LikenessMatch: (_marker(likeness.apply), _OTHER),
    e.FrameMeasured: (_marker(frame.apply), _OTHER),
    e.ProductMedia: (_marker(media.apply), _OTHER),
    e.RegistrationState: (_marker(registration.apply), _OTHER),
    e.FleetMatched: (_marker(fleet.apply), _OTHER),
    e.RestrictionTested: (_marker(restriction.apply), _OTHER),
    e.ReviewDecided: (_on_review, _OTHER),
}
"""What each event type does, and which memory keeps it from being taken twice."""
