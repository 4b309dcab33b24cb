"""What people upheld before is remembered for half a year, a little of each rule, and counted once."""

from worker.audit import events as e
from worker.audit.apply import apply
from worker.audit.facts import FACT_BIT, History
from worker.audit.history import PER_RULE_MAX, REMEMBERED_MS, RULES_MAX, count, note, of_host
from worker.audit.room import Room

NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3_600_000


def test_a_violation_counts_for_half_a_year_and_for_as_long_as_a_rule_asks() -> None:
    past = note(History(), "R-1", NOW_MS, NOW_MS, upheld=True)
    assert count(past, "R-1", NOW_MS + REMEMBERED_MS - 1) == 1
    assert count(past, "R-1", NOW_MS + REMEMBERED_MS) == 0
    assert count(past, "R-1", NOW_MS + 90 * DAY_MS, within_ms=90 * DAY_MS) == 0
    assert count(past, "R-2", NOW_MS) == 0
    later_ms = NOW_MS + REMEMBERED_MS
    assert note(past, "R-2", later_ms, later_ms, upheld=True).room == {"R-2": [later_ms]}
    assert note(past, "R-1", NOW_MS, later_ms, upheld=True).room == {}, "it is too old to count when it is upheld"


def test_a_violation_counts_once_and_not_at_all_when_it_is_no_longer_upheld() -> None:
    past = note(History(), "R-1", NOW_MS, NOW_MS, upheld=True)
    past = note(past, "R-1", NOW_MS - DAY_MS, NOW_MS, upheld=True)
    assert note(past, "R-1", NOW_MS, NOW_MS, upheld=True) == past
    assert past.room == {"R-1": [NOW_MS - DAY_MS, NOW_MS]}
    assert note(past, "R-1", NOW_MS - DAY_MS, NOW_MS, upheld=False).room == {"R-1": [NOW_MS]}
    assert note(past, "R-1", NOW_MS - 1, NOW_MS, upheld=False) == past


def test_what_the_registry_says_of_the_host_is_not_counted_beside_the_rooms_own() -> None:
    """The registry has heard of this room's own violation too."""
    past = note(History(), "R-1", NOW_MS, NOW_MS, upheld=True)
    past = of_host(past, [("R-1", NOW_MS), ("R-1", NOW_MS - DAY_MS), ("R-2", NOW_MS - 300 * DAY_MS)], NOW_MS)
    assert count(past, "R-1", NOW_MS) == 2
    assert past.host == {"R-1": [NOW_MS - DAY_MS, NOW_MS]}
    assert count(of_host(past, [], NOW_MS), "R-1", NOW_MS) == 1, "what an appeal took back is taken back"


def test_a_history_is_bounded() -> None:
    past = History()
    for n in range(3 * RULES_MAX):
        for again in range(2 * PER_RULE_MAX):
            at_ms = NOW_MS + n * 100 + again
            past = note(past, f"R-{n}", at_ms, at_ms, upheld=True)
    assert len(past.room) == RULES_MAX
    assert all(len(times) == PER_RULE_MAX for times in past.room.values())
    assert past.room[f"R-{3 * RULES_MAX - 1}"][-1] == NOW_MS + (3 * RULES_MAX - 1) * 100 + 2 * PER_RULE_MAX - 1


def test_the_registry_brings_the_hosts_history_into_the_rooms_log() -> None:
    room = Room("r:1")

    def say(number: int, upheld: list[e.Upheld] | None) -> None:
        state = e.RegistrationState(
            id=f"e{number}", room_id="r:1", at_ms=NOW_MS + number, host_id="h", avatar_registered=True,
            driver_verified=True, likeness_consent=True, registry_offset=number, upheld=upheld,
        )  # fmt: skip
        apply(room, state, number, state.at_ms)

    say(1, [e.Upheld("R-1", NOW_MS - DAY_MS)])
    assert room.history.host == {"R-1": [NOW_MS - DAY_MS]}
    assert room.changed & FACT_BIT["history"]
    say(2, None)
    assert room.history.host == {"R-1": [NOW_MS - DAY_MS]}, "a registry that says nothing changes nothing"
