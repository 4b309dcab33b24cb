"""Deliberate mistakes in the oracle, and the test that notices each."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.meaning import claims, label, log, oracle, rules, scan, windows
from tests.meaning import test_counterexamples as cases
from tests.meaning import test_properties as properties

Break = Callable[[pytest.MonkeyPatch], None]
real_entry, real_join, real_take, real_blocks = log.entry, claims.join, windows.Clock.take, windows.closed_blocks
real_worlds, real_marks = rules.worlds_of, label.marks_of


def no_clamp(patch: pytest.MonkeyPatch) -> None:
    def entry(record: log.Record, append: int) -> log.Entry:
        x = real_entry(record, append)
        return replace(x, e=x.at, tells=x.tells - x.e + x.at)

    patch.setattr(scan, "entry", entry)


def order_by_effective_time(patch: pytest.MonkeyPatch) -> None:
    def entry(record: log.Record, append: int) -> log.Entry:
        x = real_entry(record, append)
        return replace(x, key=(x.e, x.key[1]))

    patch.setattr(scan, "entry", entry)


def order_of_arrival(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(label, "first_of_each", lambda entries: sorted(entries, key=lambda x: x.offset))


def repeats_are_new(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(label, "first_of_each", lambda entries: sorted(entries, key=lambda x: x.key))


def facts_can_be_late(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(log.KINDS, "watermark.read", "statistic")


def marks_accuse_by_their_own_clock(patch: pytest.MonkeyPatch) -> None:
    def join(name: str, entries: tuple[log.Entry, ...]) -> claims.Joined:
        return real_join(name, [replace(x, append=x.e) for x in entries])

    patch.setattr(claims, "join", join)


def no_grace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(label, "GRACE_MS", 0)


def former_sessions_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan.Session, "start", property(lambda _self: 0, lambda _self, _value: None), raising=False)


def nothing_is_kept_aside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan, "ASIDE", 0)


def a_lease_lasts_an_hour(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan, "LEASE_MS", log.HOUR)


def a_close_ends_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan, "REOPEN_MS", -1)


def a_late_off_counts_from_its_own_time(patch: pytest.MonkeyPatch) -> None:
    for module in (label, oracle):
        patch.setattr(module, "marks_of", lambda entries: real_marks([replace(x, behind=0) for x in entries]))


def unknown_is_absent(patch: pytest.MonkeyPatch) -> None:
    def worlds_of(world: rules.World) -> list[rules.World]:
        said = {name: value or False for name, value in world.facts["label"].items()}
        return real_worlds(replace(world, facts={**world.facts, "label": said}))

    patch.setattr(rules, "worlds_of", worlds_of)


def the_label_is_what_it_is_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(label.Sight, "horizon", property(lambda self: self.watermark + 60_000))
    patch.setattr(label, "GRACE_MS", 0)


def the_lag_follows_the_newest(patch: pytest.MonkeyPatch) -> None:
    def take(self: windows.Clock, x: log.Entry, *, lags: bool = True) -> None:
        self.shown = {}
        real_take(self, x, lags=lags)

    patch.setattr(windows.Clock, "take", take)


def nothing_is_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "HOLD_MS", 0)


def no_block_abstains(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "reasons", lambda _here: ())


def the_band_is_five_minutes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "BAND_MS", 5 * log.MINUTE)


def questions_are_due_unheard(patch: pytest.MonkeyPatch) -> None:
    def blocks(placed: list[scan.Placed], session: int, phase_ms: int) -> list[windows.Block]:
        return [replace(block, heard=1 << 62) for block in real_blocks(placed, session, phase_ms)]

    patch.setattr(oracle, "closed_blocks", blocks)


def every_id_is_new(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan.Reader, "is_duplicate", lambda _self, _x: False)


def a_batch_with_create_time_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan, "appended", lambda record, _baseline: record.timestamp_ms)


MUTANTS: list[tuple[Break, Callable[[], None]]] = [
    (no_clamp, cases.test_one_comment_2_h_ahead_does_not_blind_a_room),
    (order_by_effective_time, lambda: cases.test_a_clock_90_s_fast_swaps_no_two_marks_of_a_label((900, 900))),
    (order_of_arrival,
     lambda: cases.test_a_label_stands_as_it_was_said_last_not_as_it_came_last([("off", 800), ("on", 0)])),
    (repeats_are_new, properties.test_a_register_from_a_wild_clock_is_not_renewed_by_its_repeat),
    (facts_can_be_late, lambda: cases.test_a_confirmed_fact_of_any_age_is_kept(3_600)),
    (marks_accuse_by_their_own_clock,
     lambda: cases.test_a_label_put_up_before_the_first_mark_is_in_time_whatever_the_marks_clock(-90 * log.SECOND)),
    (no_grace, lambda: cases.test_a_label_has_a_minute_from_the_first_mark_on(50, set())),
    (former_sessions_count, cases.test_a_mark_of_the_session_before_is_foreign),
    (nothing_is_kept_aside, cases.test_a_lease_that_ends_gives_back_what_it_displaced),
    (a_lease_lasts_an_hour,
     lambda: cases.test_a_stray_heartbeat_of_a_rival_session_takes_no_label_away("bilibili")),
    (a_close_ends_all, lambda: cases.test_reconnecting_sheds_no_evidence(240, "silent", "DY-DRIVE-01")),
    (a_late_off_counts_from_its_own_time,
     lambda: cases.test_a_label_that_went_is_held_against_no_time_that_was_judged(False)),
    (unknown_is_absent, lambda: properties.test_a_label_not_yet_heard_of_is_unknown_in_mid_session(20)),
    (the_label_is_what_it_is_now, lambda: cases.test_a_labels_record_that_comes_late_is_no_violation(105)),
    (the_lag_follows_the_newest, lambda: cases.test_the_lag_is_the_slowest_sources_not_the_fastest("by turns", 75)),
    (nothing_is_held, lambda: cases.test_the_lag_is_the_slowest_sources_not_the_fastest("by turns", 75)),
    (no_block_abstains, lambda: cases.test_a_wrong_clock_turns_no_answer_into_evidence("person", {"S": -90})),
    (the_band_is_five_minutes, lambda: cases.test_a_wrong_clock_turns_no_answer_into_evidence("person", {"S": -90})),
    (questions_are_due_unheard, lambda: cases.test_an_outage_of_speech_is_no_silence_of_the_host((450, 1_100))),
    (every_id_is_new, lambda: properties.test_repeats_change_nothing("person")),
    (a_batch_with_create_time_is_believed, cases.test_a_batch_with_create_time_moves_no_clock),
]  # fmt: skip
"""A mistake, and the test that kills it."""


@pytest.mark.parametrize(("mistake", "test"), [pytest.param(m, t, id=m.__name__) for m, t in MUTANTS])
def test_a_mistake_in_the_oracle_is_noticed(
    mistake: Break, test: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    test()
    mistake(monkeypatch)
    with pytest.raises(AssertionError):
        test()
