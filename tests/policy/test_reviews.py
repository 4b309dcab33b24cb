"""Reviews are registers: whatever their order, repetition and age, one state of a violation comes of them."""

from itertools import pairwise, permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.build import DAY, MINUTE, T0, a_judge, a_room, a_rule, closed, look, only, reviewed, set_ai
from tests.support.headers import header
from worker.audit import history, snapshot
from worker.audit.facts import REVIEW_BIT, Certainty, History
from worker.audit.history import REMEMBERED_MS, reversed_in
from worker.audit.marks import Excerpt
from worker.audit.room import Room, Session
from worker.egress.violation import encode_violation
from worker.policy import caps
from worker.policy.episodes import ACTIVE
from worker.policy.judge import Judge
from worker.policy.model import Control, Decision

NONE, CONFIRMED = Certainty.NONE, Certainty.CONFIRMED
RULE = "T-ONE-01"
ACTION = "reduce_live_recommendation"
TWO = a_rule(ladder="[[reduce_live_recommendation, notify], limit_commerce]", expect=f"[{ACTION}, notify]")


def one_that_opened(*rules: str) -> tuple[Judge, Room, Decision]:
    judge, room = a_judge(*(rules or (a_rule(),))), a_room()
    set_ai(room, CONFIRMED)
    return judge, room, only(look(judge, room))


def decide(judge: Judge, room: Room, minutes: float, name: str, outcome: str, by: str = "reviewer", **more: Any) -> Any:
    reviewed(room, name, outcome, by, **more)
    return look(judge, room, minutes, REVIEW_BIT)


def another_session(room: Room, number: int = 2) -> None:
    before = room.session
    room.session = Session(
        id=f"s{number}", number=number, began_ms=T0, phase=1, platform=before.platform, region=before.region,
        host_id=before.host_id, selling=True,
        first_offset=number * 1_000,
    )  # fmt: skip


def results(room: Room) -> list[tuple[str, str]]:
    found = [(answer.result, answer.standing) for answer in room.answers]
    room.answers.clear()
    return found


# ---- what counts


def test_an_appeal_that_is_won_leaves_no_upheld_entry() -> None:
    judge, room, opened = one_that_opened()
    decide(judge, room, 1, opened.violation_id, "upheld")
    assert room.history.room == {RULE: [T0]}
    assert only(decide(judge, room, 2, opened.violation_id, "overturned", "appeal")).kind == "withdrawn"
    assert room.history.room == {}
    another_session(room)
    set_ai(room, CONFIRMED)
    assert only(look(judge, room, 10)).step == 0, "who won starts no higher than anyone"


def test_an_appeal_may_be_won_after_a_newer_violation_took_the_rules_place() -> None:
    judge, room, opened = one_that_opened()
    decide(judge, room, 1, opened.violation_id, "upheld")
    for number in (2, 3):
        another_session(room, number)
        set_ai(room, CONFIRMED)
        assert look(judge, room, 10 * number)[-1].step == 1
    withdrawn = only(decide(judge, room, 40, opened.violation_id, "overturned", "appeal"))
    assert (withdrawn.kind, withdrawn.session_id) == ("withdrawn", "s1")
    assert room.history.room == {}
    assert room.episodes[RULE].state == "open", "the newer one stands for itself"


def test_what_was_taken_back_here_counts_no_more_even_while_the_registry_still_tells_it() -> None:
    judge, room, opened = one_that_opened()
    decide(judge, room, 1, opened.violation_id, "upheld")
    room.history = History(room.history.room, {RULE: [T0 - DAY, T0]})
    decide(judge, room, 2, opened.violation_id, "overturned", "appeal")
    assert history.standing(room).host == {RULE: [T0 - DAY]}
    assert reversed_in(room) == [(RULE, T0)]
    another_session(room)
    set_ai(room, CONFIRMED)
    assert only(look(judge, room, 10)).step == 1


def test_shadow_records_make_no_history() -> None:
    judge, room, opened = one_that_opened(a_rule(rollout="{mode: shadow, percent: 100}"))
    assert decide(judge, room, 1, opened.violation_id, "upheld") == []
    assert (room.history.room, results(room)) == ({}, [("applied", "upheld")])
    another_session(room)
    set_ai(room, CONFIRMED)
    assert look(judge, room, 10)[-1].step == 0


def test_what_counts_is_when_a_violation_opened_and_not_how_long_its_reviewer_took() -> None:
    judge, room, opened = one_that_opened()
    closed(room)
    look(judge, room, 1)
    late_ms = T0 + REMEMBERED_MS - DAY
    decide(judge, room, 1, opened.violation_id, "upheld", at_ms=late_ms)
    assert history.count(room.history, RULE, late_ms) == 1
    assert history.count(room.history, RULE, late_ms + DAY) == 0


# ---- what is said


def test_a_reversal_names_its_record_by_the_reviews_id_so_that_none_comes_twice() -> None:
    """A closed room's clock stands: only the reviews differ."""
    judge, room, opened = one_that_opened()
    closed(room)
    look(judge, room, 1)
    said = [
        only(decide(judge, room, 1, opened.violation_id, outcome, "appeal"))
        for outcome in ("overturned", "upheld", "overturned", "upheld")
    ]
    assert [d.kind for d in said] == ["withdrawn", "escalated", "withdrawn", "escalated"]
    assert len({d.violation_id for d in said}) == 4
    for before, after in pairwise(said):
        assert after.supersedes == before.violation_id


def test_an_id_that_a_review_desk_uses_twice_makes_no_two_records_of_one_id() -> None:
    judge, room, opened = one_that_opened()
    said = [
        only(decide(judge, room, at, opened.violation_id, outcome, id=name, at_ms=T0 + at))
        for at, outcome, name in ((1, "overturned", "same"), (2, "upheld", "other"), (3, "overturned", "same"))
    ]
    assert len({d.violation_id for d in said}) == 3


def test_a_reinstatement_leaves_a_record_and_the_episode_goes_on() -> None:
    judge, room, opened = one_that_opened(a_rule(escalate_after="30m", clear_after="10m"))
    withdrawn = only(decide(judge, room, 1, opened.violation_id, "overturned"))
    restored = only(decide(judge, room, 20, opened.violation_id, "upheld", "appeal", id="a-7"))
    assert (restored.kind, restored.step, restored.supersedes) == ("escalated", 0, withdrawn.violation_id)
    assert [a.action for a in restored.actions] == [ACTION]
    assert restored.by_review is not None and restored.by_review.review_id == "a-7"
    assert not caps.is_counted(restored)
    assert look(judge, room, 49) == []
    assert only(look(judge, room, 50)).step == 1, "the ladder goes on from when it was restored"
    set_ai(room, NONE)
    look(judge, room, 51)
    assert only(look(judge, room, 61)).kind == "cleared"


def test_what_had_cleared_comes_back_cleared() -> None:
    judge, room, opened = one_that_opened(a_rule(clear_after="10m", cooldown="60m"))
    set_ai(room, NONE)
    look(judge, room, 1)
    assert only(look(judge, room, 11)).kind == "cleared"
    decide(judge, room, 12, opened.violation_id, "overturned")
    assert only(decide(judge, room, 13, opened.violation_id, "upheld", "appeal")).kind == "escalated"
    assert room.episodes[RULE].state == "cleared"
    set_ai(room, CONFIRMED)
    assert look(judge, room, 70) == [], "its cooldown goes on"
    assert only(look(judge, room, 71)).kind == "opened"


def test_partly_leaves_a_record_of_what_it_keeps_and_makes_no_history() -> None:
    judge, room, opened = one_that_opened(TWO)
    assert [a.action for a in opened.actions] == [ACTION, "notify"]
    decide(judge, room, 1, opened.violation_id, "upheld")
    partly = only(decide(judge, room, 2, opened.violation_id, "partly", "appeal", keep=["notify", "ban_account"]))
    assert (partly.kind, partly.supersedes) == ("escalated", opened.violation_id)
    assert [a.action for a in partly.actions] == ["notify"], "a review may only take away"
    assert room.history.room == {}
    assert look(judge, room, 500) == [], "what a person decided about no ladder overrides"
    nothing = only(decide(judge, room, 501, opened.violation_id, "partly", "appeal"))
    assert (nothing.actions, nothing.withheld) == ((), ())
    assert decide(judge, room, 502, opened.violation_id, "partly", "appeal") == [], "the same again"
    whole = only(decide(judge, room, 503, opened.violation_id, "upheld", "appeal"))
    assert [a.action for a in whole.actions] == [ACTION, "notify"]
    assert only(look(judge, room, 1_000)).step == 1
    assert results(room)[2:] == [("applied", "partly"), ("no_change", "partly"), ("applied", "upheld")]


def test_partly_lifts_a_withdrawal_in_part() -> None:
    judge, room, opened = one_that_opened(TWO)
    withdrawn = only(decide(judge, room, 1, opened.violation_id, "overturned"))
    partly = only(decide(judge, room, 2, opened.violation_id, "partly", "appeal", keep=["notify"]))
    assert (partly.kind, partly.supersedes) == ("escalated", withdrawn.violation_id)
    assert [a.action for a in partly.actions] == ["notify"]
    assert only(decide(judge, room, 3, opened.violation_id, "overturned", "appeal")).kind == "withdrawn"


def test_records_that_people_made_may_be_named_by_the_next_review() -> None:
    judge, room, opened = one_that_opened()
    withdrawn = only(decide(judge, room, 1, opened.violation_id, "overturned"))
    restored = only(decide(judge, room, 2, withdrawn.violation_id, "upheld", "appeal"))
    assert only(decide(judge, room, 3, restored.violation_id, "overturned", "appeal")).kind == "withdrawn"


def test_a_record_about_a_former_session_says_nothing_of_the_present_one() -> None:
    judge, room, opened = one_that_opened()
    another_session(room)
    room.session.host_id, room.session.region = "h:2", ""
    room.session.excerpts = (Excerpt(T0, "speech", "买它", 2_001),)
    look(judge, room, 10)
    decide(judge, room, 11, opened.violation_id, "overturned")
    set_ai(room, CONFIRMED)
    said = decide(judge, room, 12, opened.violation_id, "upheld", "appeal")
    restored = only([d for d in said if d.by_review is not None])
    assert (restored.facts, restored.evidence, restored.counterfactual) == ({}, (), ())
    body = encoded(room, restored).decode()
    for words in ('"host_id":"h:1"', '"region":"CN"', '"excerpts":[]', '"first_offset":7', "恢复本次认定"):
        assert words in body, words


def test_a_rule_no_longer_applies_to_a_broadcast_in_which_people_withdrew_it_once() -> None:
    """The statement of reasons promises it, also when the rule has opened again in the meantime."""
    judge, room, first = one_that_opened(a_rule(clear_after="10m", cooldown="10m"))
    set_ai(room, NONE)
    for minutes in (1, 11):
        look(judge, room, minutes)
    set_ai(room, CONFIRMED)
    assert only(look(judge, room, 30)).kind == "opened"
    kinds = [d.kind for d in decide(judge, room, 31, first.violation_id, "overturned", "appeal")]
    assert kinds == ["withdrawn", "cleared"]
    assert look(judge, room, 300) == []
    decide(judge, room, 301, first.violation_id, "upheld", "appeal")
    assert [d.kind for d in look(judge, room, 302)] + [room.episodes[RULE].state] in (
        ["opened", "open"], ["open"],
    ), "an appeal the other way lifts it"  # fmt: skip


# ---- which one holds


def test_an_appeal_outranks_a_reviewer_whenever_it_came() -> None:
    judge, room, opened = one_that_opened()
    decide(judge, room, 1, opened.violation_id, "upheld", "appeal", at_ms=T0)
    assert decide(judge, room, 2, opened.violation_id, "overturned", "reviewer", at_ms=T0 + DAY) == []
    assert results(room) == [("applied", "upheld"), ("outranked", "upheld")]


def test_of_two_reviewers_the_later_one_holds_and_of_equal_times_the_larger_rank() -> None:
    judge, room, opened = one_that_opened()
    decide(judge, room, 1, opened.violation_id, "overturned", at_ms=T0 + 2)
    assert decide(judge, room, 2, opened.violation_id, "upheld", at_ms=T0 + 1) == []
    assert results(room) == [("applied", "overturned"), ("outranked", "overturned")]
    ends = set()
    for order in permutations((("a", "upheld"), ("b", "overturned"))):
        judge, room, opened = one_that_opened()
        for name, outcome in order:
            decide(judge, room, 1, opened.violation_id, outcome, id=name, at_ms=T0)
        ends.add(room.episodes[RULE].state == "withdrawn")
    assert len(ends) == 1


def test_a_review_that_comes_again_changes_nothing_and_is_answered() -> None:
    judge, room, opened = one_that_opened()
    said = []
    for minutes in (1, 2, 3):
        said += decide(judge, room, minutes, opened.violation_id, "overturned", id="same", at_ms=T0)
    assert [d.kind for d in said] == ["withdrawn"]
    assert results(room) == [("applied", "overturned"), ("no_change", "overturned"), ("no_change", "overturned")]


REVIEWS = st.lists(
    st.tuples(
        st.sampled_from(["opened", "parked", "second"]),
        st.sampled_from(["upheld", "overturned", "partly"]),
        st.sampled_from(["reviewer", "appeal"]),
        st.integers(0, 3),
        st.sampled_from([None, ["notify"]]),
    ),
    min_size=2,
    max_size=5,
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(REVIEWS, st.randoms(use_true_random=False), st.booleans())
def test_reviews_in_any_order_and_again_and_again_end_in_one_state(
    found: list[Any], random: Any, is_closed: bool
) -> None:
    """Three records of an episode, the last parked by a cap, in a session that goes on or is over."""
    ends = set()
    orders = [list(range(len(found)))]
    for _ in range(4):
        order = [*range(len(found)), *random.sample(range(len(found)), 2)]
        random.shuffle(order)
        orders.append(order)
    for order in orders:
        judge, room, opened = one_that_opened(a_rule(
            ladder="[[reduce_live_recommendation, notify]]", expect=f"[{ACTION}, notify]", escalate_after="10m",
        ).replace("[[reduce_live_recommendation, notify]]",
                  "[[reduce_live_recommendation, notify], [notify], [no_boost, notify]]"))  # fmt: skip
        second = only(look(judge, room, 10))
        parked = caps.park(room.episodes["T-ONE-01"], only(look(judge, room, 20)))
        names = {"opened": opened.violation_id, "second": second.violation_id, "parked": parked.violation_id}
        if is_closed:
            closed(room)
            look(judge, room, 21)
        last: Decision | None = None
        for at in order:
            name, outcome, by, minute, keep = found[at]
            said = decide(judge, room, 21, names[name], outcome, by, id=f"r{at}", at_ms=T0 + minute, keep=keep)
            last = said[-1] if said else last
        episode = room.episodes[RULE]
        assert episode.word is not None
        in_force = None if last is None else tuple(a.action for a in last.actions)
        if last is not None and last.kind == "withdrawn":
            in_force = ()
        state = "active" if episode.state in ACTIVE else episode.state
        held = bool(episode.parked) and not episode.freed
        ends.add((state, episode.word, held, str(room.history), in_force or ()))
    assert len(ends) == 1, ends


def encoded(room: Room, decision: Decision) -> bytes:
    record = encode_violation(
        room, decision, topic="t", partition=0, first_offset=room.session.first_offset, last_offset=room.offset,
        control=Control(),
    )  # fmt: skip
    assert header(record, "ce_id") == decision.violation_id.encode()
    return record.value or b""


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["none", "confirmed", "close", "session", "wait", *["review"] * 6]),
        st.sampled_from(["upheld", "overturned", "partly"]),
        st.sampled_from(["reviewer", "appeal"]),
        st.integers(0, 9),  # which of the reviews' ids: an id may be used again, by mistake, for something else
        st.integers(0, 9),
        st.sampled_from([0, 0, 1, 25]),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(STEPS)
def test_no_violation_id_ever_has_two_contents_and_what_counts_can_be_taken_back(steps: list[Any]) -> None:
    judge, room = a_judge(a_rule(cooldown="20m", clear_after="20m", escalate_after="20m")), a_room()
    contents: dict[str, bytes] = {}
    ids: list[str] = []
    minutes = sessions = 0
    for what, outcome, by, number, about, wait in steps:
        minutes += wait
        room.offset += 1
        if what == "close":
            closed(room)
        elif what == "session":
            sessions += 1
            another_session(room, sessions + 2)
        elif what == "review" and ids:
            name = ids[-1 - about % len(ids)]
            reviewed(room, name, outcome, by, id=f"r{number}", at_ms=T0 + (about + number) * MINUTE)
        elif what in ("none", "confirmed"):
            set_ai(room, Certainty[what.upper()])
        for decision in look(judge, room, minutes):
            body = encoded(room, decision)
            assert contents.setdefault(decision.violation_id, body) is body, decision
            ids.append(decision.violation_id)
        room = snapshot.decode(snapshot.encode(room), {})
        kept = {e.opened_ms for e in (*room.episodes.values(), *room.past) if e.word and e.word.outcome == "upheld"}
        assert set(room.history.room.get(RULE, ())) <= kept
        room.answers.clear()
