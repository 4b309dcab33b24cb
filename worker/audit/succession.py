"""A room goes on where an earlier release stopped: with its episodes, and with what people had decided.

Until there the log is judged again in silence, which brings levels, facts and the session. What an earlier release
said and what people answered is not judged again but taken over, so that nothing is said twice and nothing is lost.
A rule that this release alone sees violated opens when the silence ends.
"""

from worker.audit.episode import SHOPS_KEPT, Broadcast, Episode
from worker.audit.facts import BLOCK_BIT, FACT_BIT, History
from worker.audit.past import PastEpisode, PastRoom, PastUpheld
from worker.audit.reviews import Word
from worker.audit.room import Phase, Room, Session, block_start


def heir(past: PastRoom, partition: int) -> Room:
    """A room of which nothing is known but what an earlier release left."""
    return Room(past.room_id, partition, inherited=past)


def is_spoken_for(room: Room, offset: int) -> bool:
    """Whether the earlier release has judged the record at `offset`: of some rooms it may know more than of others."""
    return room.inherited is not None and offset <= room.inherited.offset


def await_succession(room: Room) -> None:
    """Remember that what the silence brings is not to stay, also where the earlier release left nothing."""
    if room.inherited is None:
        room.inherited = PastRoom(room_id=room.room_id, offset=0, at_ms=0, platform="other")


def take_up(room: Room) -> None:
    """Put what an earlier release left in the place of what the silence brought; once."""
    past, room.inherited = room.inherited, None
    if past is None:
        return
    if not room.appended_ms:  # the log does not go back to its latest session
        room.session, room.max_at_ms, room.appended_ms = _session(past), past.at_ms, past.at_ms
        room.sessions = 1
    broadcast = Broadcast(past.platform, past.region, past.host_id, past.operator_id, tuple(past.shop_ids[:SHOPS_KEPT]))
    of = {room.session.id: room.session.number}
    room.episodes = {one.rule: _episode(one, past, broadcast, of.get(one.session_id, 0)) for one in past.episodes}
    room.past = ()
    room.reviews.clear()
    room.answers.clear()
    by_rule: dict[str, list[int]] = {}
    for one in past.upheld:
        by_rule.setdefault(one.rule, []).append(one.at_ms)
    room.history = History({rule: sorted(times) for rule, times in sorted(by_rule.items())}, room.history.host)
    room.changed |= FACT_BIT["history"] | BLOCK_BIT


def _session(past: PastRoom) -> Session:
    """The latest session, which is over."""
    return Session(
        id=past.session_id,
        phase=Phase.CLOSED,
        platform=past.platform,
        region=past.region,
        host_id=past.host_id,
        operator_id=past.operator_id,
        shop_ids=list(past.shop_ids),
        started_at_ms=past.started_at_ms,
        number=1,
        off_ms=past.at_ms,
        off_appended_ms=past.at_ms,
        block_start_ms=block_start(past.room_id, past.at_ms),
    )


def _episode(past: PastEpisode, of: PastRoom, broadcast: Broadcast, session: int) -> Episode:
    """An episode with what people said of it. Whatever they say from now on holds before that."""
    outcome = "overturned" if past.state == "withdrawn" else "upheld" if past.upheld else ""
    return Episode(
        rule=past.rule,
        state=past.state,
        opened_ms=past.opened_ms,
        step=past.step,
        stepped_ms=past.stepped_ms,
        false_since_ms=past.false_since_ms,
        violation_id=past.violation_id,
        policy_version=past.policy_version,
        mode=past.mode,
        session_id=past.session_id,
        certainty=past.certainty,
        parked=(past.parked,) if past.parked else (),
        exempt=past.exempt,
        began=past.began,
        session=session,
        word=Word(False, 0, 0, outcome) if outcome else None,
        was_cleared=past.state == "withdrawn",
        broadcast=broadcast,
        counted_ms=max((one.at_ms for one in of.upheld if past.upheld and _is_of(one, past)), default=0),
    )


def _is_of(upheld: PastUpheld, episode: PastEpisode) -> bool:
    """Whether an upheld violation is this episode: it was decided upon once the episode had opened."""
    return upheld.rule == episode.rule and upheld.at_ms >= episode.opened_ms
