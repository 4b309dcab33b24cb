"""A rule that floods is paused, deterministically, and comes back."""

import json
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from tests.policy.build import MINUTE, T0, a_judge, a_policy, a_room, a_rule, look, only, set_ai
from tests.support.engine import Sent, room_log
from worker.audit.facts import Certainty
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.caps import SLOT_MS, SLOTS, WINDOWS_MAX, Ledger, Window
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.policy.model import Decision
from worker.topics import VIOLATIONS_TOPIC

QUICK = a_rule(pause="{rooms: 3, times: 4}", cooldown="1m", clear_after="1m", escalate_after="10m")
TOUCHY = QUICK.replace("{rooms: 3, times: 4}", "{rooms: 2, times: 2}")
NEVER = QUICK.replace("{rooms: 3, times: 4}", "{rooms: 10000000}")


def opened(judge: Judge, number: int, minutes: float) -> Decision:
    """The decision with which the rule opens in another room."""
    room = a_room(f"wechat_channels:r{number}")
    set_ai(room, Certainty.CONFIRMED)
    return only(look(judge, room, minutes))


def verdicts(judge: Judge, ledger: Ledger, *minutes: float) -> list[bool]:
    first = len(ledger.verdicts)
    return [
        not ledger.let_through(opened(judge, first + n, at), first + n, round(T0 + at * MINUTE))
        for n, at in enumerate(minutes)
    ]


def test_a_rule_that_opens_in_more_rooms_than_it_may_in_ten_minutes_is_paused() -> None:
    judge, ledger = a_judge(QUICK), Ledger()
    assert verdicts(judge, ledger, 0, 1, 2, 3, 9) == [False, False, False, True, True]
    assert ledger.paused() == ["T-ONE-01"]
    assert ledger.reached(T0) == [], "a pause is no cap"


def test_it_comes_back_after_ten_minutes_in_which_it_would_not_have_flooded() -> None:
    judge, ledger = a_judge(QUICK), Ledger()
    verdicts(judge, ledger, 0, 0, 0, 0)
    assert verdicts(judge, ledger, 10, 11, 12, 13) == [True] * 4, "it floods on"
    assert verdicts(judge, ledger, 20, 21) == [True, True], "these ten minutes are calm, but not over"
    assert verdicts(judge, ledger, 30) == [False]
    assert ledger.paused() == []
    verdicts(judge, ledger, 31, 31, 31)
    assert ledger.paused() == ["T-ONE-01"]
    assert verdicts(judge, ledger, 50) == [False], "ten minutes without any decision are calm"


def test_another_version_of_the_policy_is_tried_at_once() -> None:
    texts = {str(n): a_policy(QUICK, version=n, since_ms=since) for n, since in ((1, 0), (2, T0 + 5 * MINUTE))}
    judge, ledger = Judge(load_policies(texts, run_tests=False)), Ledger()
    assert verdicts(judge, ledger, 0, 0, 0, 0, 4) == [False, False, False, True, True]
    assert verdicts(judge, ledger, 5, 5, 5) == [False] * 3
    assert verdicts(judge, ledger, 5) == [True]


def test_what_a_rule_always_does_is_no_flood() -> None:
    """Ten rooms in ten minutes, hour after hour, then fifty: the first is above `rooms`, the second above its mean."""
    window, decision = Window(), opened(a_judge(QUICK.replace("rooms: 3", "rooms: 10")), 0, 0)

    def at(slot: int) -> bool:
        window.note(decision, T0 + slot * SLOT_MS)
        return window.paused

    for slot in range(30):
        assert not any(at(slot) for _ in range(10))
    assert window.mean == pytest.approx(10, abs=1)
    assert [at(30) for _ in range(50)].count(True) == 10, "the 41st room is the first above four times the mean"
    assert not any(at(slot) for slot in range(32, 40) for _ in range(10))


def test_a_mean_is_of_a_day_and_a_flood_teaches_nothing() -> None:
    judge, ledger = a_judge(QUICK), Ledger()
    verdicts(judge, ledger, *[0.0] * 40)
    verdicts(judge, ledger, *[10.0] * 40)
    window = ledger.windows["T-ONE-01"]
    assert window.mean == 0
    verdicts(judge, ledger, 24 * 60 * 30)
    assert (window.slots, window.mean) == (SLOTS, 0)


def test_what_is_remembered_of_rules_is_bounded() -> None:
    ledger, decision = Ledger(), opened(a_judge(QUICK), 0, 0)
    ledger.windows = {f"R-{n}": Window(slot=n) for n in range(1, WINDOWS_MAX + 1)}
    ledger.let_through(decision, 0, T0)
    assert len(ledger.windows) == WINDOWS_MAX
    assert "R-1" not in ledger.windows


RECORDS = [
    Sent(0, offset, timestamp, key, value, ())
    for offset, (key, value, timestamp) in enumerate(room_log(9, rooms=60, steps=12_000))
]


@cache
def judged(rule: str, size: int) -> tuple[tuple[str, str, int, bool], ...]:
    """(id, transition, when its cause was appended, asks) of each record."""
    return tuple(_judged(rule, size))


def _judged(rule: str, size: int) -> Iterator[tuple[str, str, int, bool]]:
    judge = Judge(load_policies({"p.yaml": a_policy(rule)}, run_tests=False))
    processor = PartitionProcessor(topic="events", partition=0, rooms=MemoryRooms(), judge=judge)
    for first in range(0, len(RECORDS), size):
        for record in processor.process(RECORDS[first : first + size]).of(VIOLATIONS_TOPIC):
            said = json.loads(record.value or b"")
            yield said["violation_id"], said["transition"], record.caused_ms, bool(said["actions"])


def paused_by_hand(free: Iterable[tuple[str, str, int, bool]]) -> list[str]:
    """Ids that a clerk would park who keeps the rule's ten minutes in lists: rooms opened in each, by number."""
    by_slot: list[tuple[int, int]] = []  # (slot, opened) of slots in which the rule was not paused
    slot, count, paused, parked = 0, 0, False, []
    for name, kind, at_ms, asks in free:
        if not asks:
            continue
        now = at_ms // SLOT_MS
        if now > slot:
            if slot:
                if not paused:
                    by_slot.append((slot, count))
                mean = sum(n for _, n in by_slot) / len(by_slot) if by_slot else 0
                if now - slot > 1 or not (count > 2 and count > 2 * mean):
                    paused = False
            slot, count = now, 0
        count += kind == "opened"
        mean = sum(n for _, n in by_slot) / len(by_slot) if by_slot else 0
        paused = paused or (count > 2 and count > 2 * mean)
        if paused:
            parked.append(name)
    return parked


@pytest.mark.slow
def test_what_is_parked_is_what_a_clerk_would_park_who_reads_the_log() -> None:
    wanted = paused_by_hand(judged(NEVER, 500))
    found = [name for name, kind, _, _ in judged(TOUCHY, 500) if kind == "parked"]
    assert found == wanted
    assert len(wanted) > 10


@pytest.mark.parametrize("size", [1, 37, 12_000])
def test_batch_sizes_do_not_change_when_a_rule_is_paused(size: int) -> None:
    assert judged(TOUCHY, size) == judged(TOUCHY, 500)
