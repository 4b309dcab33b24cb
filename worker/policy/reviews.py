"""What people's reviews make of a room's episodes: a register an episode, a record where something changes, an answer
to each.

Any id of an episode's records names the episode. Its word is the review that holds: an appeal before a reviewer, then
the later one. `overturned` withdraws the episode, `partly` leaves what it keeps, `upheld` lets all of it hold. A live
episode that is upheld counts in the history. What a cap held back is released when a review has upheld that very
record, and the episode's word is `upheld`, too.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from worker.audit import history
from worker.audit.episode import Episode
from worker.audit.history import REMEMBERED_MS
from worker.audit.reviews import Answer, Review, Word, outranks, says, word_of
from worker.audit.room import Phase, Room
from worker.policy import caps
from worker.policy.book import PolicyBook
from worker.policy.decide import Said, decide
from worker.policy.episodes import ACTIVE, Event, State, after, ids_of
from worker.policy.inputs import Inputs
from worker.policy.model import Decision

Result = Literal["applied", "no_change", "outranked", "unmatched"]


def take(room: Room, book: PolicyBook, inputs: Inputs) -> list[Decision]:
    """Take the reviews that wait in the room: move its episodes and its history, put an answer to each into
    `room.answers`, and return the records that follow, in order."""
    decisions: list[Decision] = []
    for review in room.reviews:
        room.answers.append(_take(room, book, review, inputs, decisions))
    room.reviews.clear()
    return decisions


def _take(room: Room, book: PolicyBook, review: Review, inputs: Inputs, decisions: list[Decision]) -> Answer:
    episode = _named_by(room, review)
    if episode is None:
        return Answer(review, "unmatched")
    word, held = word_of(review), episode.word
    newer, repeated = outranks(word, held), held is not None and not outranks(held, word)
    if newer:
        episode.word = word
    if review.violation_id in episode.parked and review.outcome == "upheld":
        episode.freed = True
    what = _what_follows(episode, held)
    if what is not None:
        _move(room, episode, what, inputs.now_ms)
        _say(room, book, episode, Said(what, review), inputs, decisions)
    standing = "" if episode.word is None else episode.word.outcome
    if newer and episode.mode == "live":
        upheld = standing == "upheld"
        past = history.note(room.history, episode.rule, episode.counts_from_ms(), inputs.event_ms, upheld=upheld)
        room.history = past
    result: Result = "outranked"
    if what is not None or (newer and not says(held, standing)):
        result = "applied"
    elif newer or repeated:
        result = "no_change"
    return Answer(review, result, standing, episode.violation_id)


def _what_follows(
    episode: Episode, before: Word | None
) -> Literal["withdrawn", "restored", "partly", "released"] | None:
    """What has to be said now that the episode's registers are up to date; `before` is the word that held before."""
    word, withdrawn = episode.word, episode.state == State.WITHDRAWN
    if says(word, "overturned"):
        return None if withdrawn else "withdrawn"
    if word is not None and says(word, "partly"):
        same = before is not None and (before.outcome, before.keep) == (word.outcome, word.keep)
        return None if same else "partly"
    if withdrawn or says(before, "partly"):
        return "restored"
    return "released" if episode.parked and episode.freed else None


def _move(room: Room, episode: Episode, what: str, now_ms: int) -> None:
    """Move the episode. One that is withdrawn rests as when it clears. One that comes back goes on where its session
    goes on and it had not cleared."""
    if what == "withdrawn":
        episode.was_cleared = episode.state == State.CLEARED
        episode.state = after(episode.state, Event.WITHDRAW)
        if not episode.was_cleared:
            episode.stepped_ms = now_ms
            episode.false_since_ms = 0
    elif episode.state == State.WITHDRAWN:
        here = room.episodes.get(episode.rule) is episode and episode.session == room.session.number
        goes_on = here and room.session.phase != Phase.CLOSED and not episode.was_cleared
        episode.state = after(episode.state, Event.REINSTATE if goes_on else Event.CLEAR)
        if goes_on:
            episode.stepped_ms = now_ms
    elif what == "restored" and episode.state in ACTIVE:  # its ladder stood still meanwhile
        episode.stepped_ms = now_ms


def _say(room: Room, book: PolicyBook, episode: Episode, said: Said, inputs: Inputs, decisions: list[Decision]) -> None:
    rule = book.rule(episode.rule, inputs.event_ms)
    if rule is None:  # it stands in no policy any more: there is nothing to say it by
        return
    if said.what == "withdrawn":
        decisions.append(decide(room, rule, episode, "withdrawn", inputs, said))
        return
    decision = decide(room, rule, episode, "escalated", inputs, said)
    if said.what == "restored" and episode.parked and not episode.freed:
        decision = caps.hold_back(decision)  # the cap's question is still open
        episode.parked = (*episode.parked, decision.violation_id)[-caps.PARKED_MAX :]
    elif said.what != "partly":
        episode.parked, episode.freed = (), False
    decisions.append(decision)


def _named_by(room: Room, review: Review) -> Episode | None:
    """The episode that a review names; None when none is kept that does, or it comes more than half a year late."""
    former = (*room.past, *(one for session in room.aside for one in session.episodes))
    for episode in in_order(room, former):
        if review.violation_id in episode.named or review.violation_id in ids_of(episode, room.room_id):
            ended_ms = room.max_at_ms if episode.state in ACTIVE else episode.stepped_ms
            return episode if review.appended_ms < ended_ms + REMEMBERED_MS else None
    return None


def in_order(room: Room, past: Iterable[Episode] = ()) -> Iterator[Episode]:
    """The room's episodes by rule, and former ones behind."""
    yield from (room.episodes[rule] for rule in sorted(room.episodes))
    yield from past


def exempts(room: Room, rule: str) -> bool:
    """Whether people have withdrawn a former episode of the rule in this session: it does not apply to it any more."""
    return any(
        one.rule == rule and one.state == State.WITHDRAWN and one.session == room.session.number for one in room.past
    )


def first_free_ms(room: Room, rule: str, at_ms: int) -> int:
    """The first time from `at_ms` on at which no episode of the rule began that the room keeps: it is part of ids."""
    taken = {one.opened_ms for one in in_order(room, room.past) if one.rule == rule}
    while at_ms in taken:
        at_ms += 1
    return at_ms
