"""The life of an episode is a table: every state × event is either in it or raises and changes nothing."""

from itertools import product

import pytest

from worker.audit.episode import Broadcast, Episode
from worker.audit.facts import Certainty
from worker.policy.episodes import Event, IllegalMove, State, after, ids_of, step_name, violation_id

LEGAL = {
    ("idle", "open"): "open",
    ("cleared", "open"): "open",
    ("open", "escalate"): "escalated",
    ("escalated", "escalate"): "escalated",
    ("open", "clear"): "cleared",
    ("escalated", "clear"): "cleared",
    ("open", "withdraw"): "withdrawn",
    ("escalated", "withdraw"): "withdrawn",
    ("cleared", "withdraw"): "withdrawn",
    ("withdrawn", "reinstate"): "escalated",
    ("withdrawn", "clear"): "cleared",
}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_state_meets_every_event(state: State, event: Event) -> None:
    expected = LEGAL.get((state.value, event.value))
    if expected is None:
        with pytest.raises(IllegalMove, match=f"'{event}' from state '{state}'"):
            after(state, event)
    else:
        assert after(state, event) == expected


def test_an_unknown_state_is_no_state() -> None:
    with pytest.raises(ValueError, match="asleep"):
        after("asleep", Event.OPEN)


def test_an_id_is_a_function_of_its_cause() -> None:
    cause = ("douyin", "douyin:1", "s1", "DY-REG-01", 1_700_000_000_000, "0.3")
    assert violation_id(*cause) == violation_id(*cause) == "rk57m7tnqdhitwogalo7zgdbwy"


def test_an_id_differs_when_any_part_of_its_cause_does() -> None:
    cause = ("douyin", "douyin:1", "s1", "DY-REG-01", 1_700_000_000_000, "0.3")
    ids = {violation_id(*cause)}
    for i in range(len(cause)):
        changed = list(cause)
        changed[i] = 5 if isinstance(cause[i], int) else f"{cause[i]}x"
        ids.add(violation_id(*changed))  # type: ignore[arg-type]
    assert len(ids) == 7
    assert violation_id("a", "bc", "s", "r", 1, "0") != violation_id("ab", "c", "s", "r", 1, "0")


def test_every_id_that_an_episode_may_bear_is_known_again() -> None:
    episode = Episode("R-1", "escalated", 5, 1, 5, session_id="s", broadcast=Broadcast("p"))
    ids = set(ids_of(episode, "r"))
    assert violation_id("p", "r", "s", "R-1", 5, step_name(1, Certainty.CONFIRMED)) in ids
    assert violation_id("p", "r", "s", "R-1", 5, "cleared") in ids
    assert violation_id("p", "r", "s", "R-1", 6, "cleared") not in ids
