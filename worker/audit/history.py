"""What people upheld before, in this room and of this host: kept for half a year, a little of each rule.

Half a year, because the platforms' own terms are of that kind: a suspension is counted from thirty days up, points and
repeat-offender rules run for ninety days to a year, and what is older says little about today's broadcast. A rule may
ask for less (`remember`), never for more.
"""

from collections.abc import Mapping, Sequence

from worker.audit.episode import PAST_MAX, PAST_PER_RULE, Episode
from worker.audit.facts import History
from worker.audit.numbers import whole
from worker.audit.reviews import says
from worker.audit.room import Room

REMEMBERED_MS = 180 * 24 * 3_600_000
PER_RULE_MAX = 8  # as many as a ladder has steps
RULES_MAX = 64


def note(history: History, rule: str, opened_ms: int, now_ms: int, *, upheld: bool) -> History:
    """The history once people's word on the violation of `rule` that opened at `opened_ms` is known.

    One that is upheld stands there once, and one that is not does not stand there. Counted is when it opened, so that
    no reviewer's clock and no slowness moves it. Times that no longer count are dropped.
    """
    room = recent(history.room, now_ms)
    times = [at_ms for at_ms in room.pop(rule, ()) if at_ms != opened_ms]
    if upheld and opened_ms > now_ms - REMEMBERED_MS:
        times.append(opened_ms)
    return History(_bounded({**room, rule: sorted(times)} if times else room), history.host)


def drop(history: History, rule: str, opened_ms: int) -> History:
    """The history without what the room itself knows of a violation that it no longer keeps."""
    return History(_without(history.room, [(rule, opened_ms)]), history.host)


def of_host(history: History, upheld: Sequence[tuple[str, int]], at_ms: int) -> History:
    """The history after the registry has told all it knows of the host: (rule, when) of each."""
    by_rule: dict[str, list[int]] = {}
    for rule, when_ms in upheld:
        by_rule.setdefault(rule, []).append(when_ms)
    return History(history.room, _bounded(recent(by_rule, at_ms)))


def standing(room: Room) -> History:
    """The history that rules may count: of what the registry said, without what people took back in this room. The
    registry hears of it later."""
    past = room.history
    gone = reversed_in(room) if past.host else []
    return History(past.room, _without(past.host, gone)) if gone else past


def _without(side: Mapping[str, Sequence[int]], gone: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """A side without some entries, each taken away once: another room may have one of the same time."""
    kept = {rule: list(times) for rule, times in side.items()}
    for rule, at_ms in gone:
        if at_ms in kept.get(rule, ()):
            kept[rule].remove(at_ms)
    return {rule: times for rule, times in kept.items() if times}


def reversed_in(room: Room) -> list[tuple[str, int]]:
    """(rule, when it opened) of violations of this room that people decided about and that they do not uphold now."""
    kept = (*room.episodes.values(), *room.past)
    fresh_ms = room.max_at_ms - REMEMBERED_MS
    return sorted(
        (episode.rule, episode.counts_from_ms())
        for episode in kept
        if episode.word is not None and not says(episode.word, "upheld") and episode.counts_from_ms() > fresh_ms
    )


def count(history: History, rule: str, now_ms: int, within_ms: int = REMEMBERED_MS) -> int:
    """How often a violation of `rule` was upheld within the last `within_ms`. What the registry says of the host holds
    this room's own too, sooner or later: the larger of both counts."""
    since_ms = now_ms - within_ms
    return max(whole(at_ms > since_ms for at_ms in side.get(rule, ())) for side in (history.room, history.host))


def recent(side: Mapping[str, Sequence[int]], now_ms: int) -> dict[str, list[int]]:
    """What is not older than half a year, in order of time; rules of which nothing is left are gone."""
    kept = {rule: sorted(at for at in times if at > now_ms - REMEMBERED_MS) for rule, times in side.items()}
    return {rule: times for rule, times in kept.items() if times}


def retire(room: Room, episode: Episode, now_ms: int) -> None:
    """Keep an episode whose place another one takes, so that people may still decide about it.

    Of each rule and of the room so many are kept. Those that people do not uphold go first, the longest closed before
    others. One that was upheld takes its place in the history along: what counts can be appealed.
    """
    kept = [one for one in (*room.past, episode) if one.stepped_ms > now_ms - REMEMBERED_MS]
    of_rule = [one for one in kept if one.rule == episode.rule]
    for group, most in ((of_rule, PAST_PER_RULE), (kept, PAST_MAX)):
        if len(group) > most:
            gone = min(group, key=_worth)
            kept.remove(gone)
            if _is_upheld(gone):
                room.history = drop(room.history, gone.rule, gone.counts_from_ms())
    room.past = tuple(kept)


def _worth(episode: Episode) -> tuple[bool, int, str, int]:
    return _is_upheld(episode), episode.stepped_ms, episode.rule, episode.opened_ms


def _is_upheld(episode: Episode) -> bool:
    return episode.mode == "live" and says(episode.word, "upheld")


def _bounded(side: dict[str, list[int]]) -> dict[str, list[int]]:
    newest = sorted(side, key=lambda rule: (side[rule][-1], rule))[-RULES_MAX:]
    return {rule: sorted(side[rule])[-PER_RULE_MAX:] for rule in sorted(newest)}


def kept_until_ms(room: Room) -> int:
    """Event time until which a room in which nothing happens must be kept: people may still decide about what was
    opened in it (half a year, as DSA Art. 20 wants complaints to be heard), and what they upheld counts. 0: no longer
    than any room."""
    past = room.history
    times = [at for side in (past.room, past.host) for upheld in side.values() for at in upheld]
    if room.episodes or room.past or any(one.episodes for one in room.aside):
        times.append(room.max_at_ms)
    if room.inherited is not None:
        times.append(room.inherited.at_ms)
    return max(times) + REMEMBERED_MS if times else 0
