"""Simulated rooms: reproducible, valid against the contracts, shaped as the studies say."""

import re
import statistics
from collections import Counter
from itertools import pairwise
from random import Random

import orjson
import pytest

from worker.audit.text import is_question
from worker.ingress.decode import decode
from worker.ingress.reject import Reject
from worker.lab.simulate import ARCHETYPES, simulate, truth
from worker.lab.simulate.archetypes import ROWS
from worker.lab.simulate.stage import Dice
from worker.lab.simulate.text import Speaker
from worker.lab.simulate.viewers import poisson

HOUR_MS = 3_600_000


@pytest.mark.parametrize("name", ARCHETYPES)
def test_every_event_is_accepted_by_the_decoder_and_in_order_of_event_time(name: str) -> None:
    events = list(simulate(name, 1, duration_ms=HOUR_MS // 2))
    for event in events:
        key, at_ms = str(event["room_id"]).encode(), event["at_ms"]
        assert isinstance(at_ms, int)
        found = decode(key, orjson.dumps(event), at_ms)
        assert not isinstance(found, Reject), (event["type"], found)
    times = [event["at_ms"] for event in events]
    assert times == sorted(times)  # type: ignore[type-var]
    assert len({event["id"] for event in events}) == len(events)
    assert (events[0]["type"], events[-1]["type"]) == ("room.opened", "room.closed")


def test_the_four_tables_name_each_archetype_once_and_honest_ones_come_first() -> None:
    assert len(ROWS) == len({row.name for row in ROWS}) == len(ARCHETYPES)
    honest = [row.honest for row in ARCHETYPES.values()]
    assert honest == sorted(honest, reverse=True)
    assert not [row.name for row in ARCHETYPES.values() if row.honest and row.expects]


@pytest.mark.parametrize("name", ARCHETYPES)
def test_a_seed_gives_the_same_log_again_and_another_seed_another(name: str) -> None:
    def log(seed: int) -> list[bytes]:
        return [orjson.dumps(event) for event in simulate(name, seed, duration_ms=HOUR_MS // 6)]

    assert log(7) == log(7)
    assert log(7) != log(8)


def test_the_truth_never_stands_in_the_log_but_in_the_room_id() -> None:
    """No rule may learn the answer from a field; the id tells people which room it is, and rules do not read it."""
    for name in ARCHETYPES:
        for event in simulate(name, 3, duration_ms=HOUR_MS // 6):
            rest = {k: v for k, v in event.items() if k not in ("room_id", "session_id", "id", "host_id", "shop_ids")}
            assert truth(name, 3).title not in orjson.dumps(rest).decode()


def test_heartbeats_come_every_twenty_seconds_and_looks_every_ten() -> None:
    events = list(simulate("responsive", 2, duration_ms=HOUR_MS))
    for kind, detector, gap in (("room.heartbeat", None, 20_000), ("detector.score", "face-audit", 10_000)):
        times = [e["at_ms"] for e in events if e["type"] == kind and e.get("detector") == detector]
        gaps = [int(str(b)) - int(str(a)) for a, b in pairwise(times)]
        assert Counter(gaps).most_common(1)[0][0] == gap


def test_comments_are_about_seven_characters_and_a_sixth_of_them_ask() -> None:
    speaker = Speaker(Random(5))
    texts = [speaker.comment().text for _ in range(4_000)]
    assert 4.5 < statistics.mean(map(len, texts)) < 8.5
    assert 0.13 < statistics.mean(map(is_question, texts)) < 0.24


def test_segments_of_speech_have_thirty_to_eighty_characters_and_hardly_repeat() -> None:
    speaker = Speaker(Random(6))
    talk = [speaker.talk() for _ in range(2_000)]
    assert all(20 <= len(t) <= 80 for t in talk)
    assert len(set(talk)) > 1_990
    assert not any(re.search(r"\{\w+\}", t) for t in talk)


def test_the_crowd_comments_at_its_mean_rate_in_bursts() -> None:
    """A Hawkes process of branching 0.5 has the mean rate asked for, and counts more dispersed than Poisson's."""
    minutes: Counter[int] = Counter()
    events = list(simulate("responsive", 11, duration_ms=4 * HOUR_MS))
    for event in events:
        if event["type"] == "viewer.comment":
            minutes[int(str(event["at_ms"])) // 60_000] += 1
    counts = [minutes[m] for m in range(min(minutes), max(minutes) + 1)]
    assert 10 < statistics.mean(counts) < 14
    assert statistics.variance(counts) / statistics.mean(counts) > 1.5


def test_dice_draw_the_numbers_of_pythons_own_generator() -> None:
    dice, own = Dice("seed"), Random("seed")
    for n in range(1, 400):
        assert dice.choice(range(n)) == own.choice(range(n))
        assert dice.randint(-n, 3 * n) == own.randint(-n, 3 * n)
        assert dice.gauss(0, 1) == own.gauss(0, 1)


def test_poisson_draws_have_mean_and_variance_alike() -> None:
    rng = Random(1)
    draws = [poisson(rng, 0.6, 50) for _ in range(20_000)]
    assert statistics.mean(draws) == pytest.approx(0.6, abs=0.03)
    assert statistics.variance(draws) == pytest.approx(0.6, abs=0.04)


def test_a_recording_says_the_same_words_a_period_later() -> None:
    period = 8 * 60_000
    speech = [
        (int(str(e["at_ms"])), str(e["text"]))
        for e in simulate("loop", 4, duration_ms=3 * period, loop_ms=period)
        if e["type"] == "host.speech"
    ]
    later = dict(speech)
    pairs = [(text, later.get(at + period)) for at, text in speech if at + period in later]
    assert len(pairs) > 60
    for first, second in pairs:
        assert second is not None
        assert sum(a != b for a, b in zip(first, second, strict=True)) <= len(first) // 5


def test_an_honest_host_sees_about_one_or_two_challenges_an_hour_after_the_entry() -> None:
    """Honest rooms see 1.3–1.6 an hour; machines that fail are asked every 2 min, ≤ 20 an hour."""

    def issued(name: str, hours: int) -> float:
        rooms = 6
        return statistics.mean(
            sum(e["type"] == "challenge.issued" for e in simulate(name, seed, duration_ms=hours * HOUR_MS)) / hours
            for seed in range(rooms)
        )

    assert 0.8 < issued("responsive", 6) < 2.5
    assert 12 < issued("avatar_watermark", 2) <= 20


def test_nobody_speaks_in_a_sign_language_room_and_nobody_replies_in_a_loop() -> None:
    kinds = Counter(str(e["type"]) for e in simulate("sign_language", 1, duration_ms=HOUR_MS))
    assert kinds["host.speech"] == 0
    assert kinds["host.reply"] > 20
    kinds = Counter(str(e["type"]) for e in simulate("loop", 1, duration_ms=HOUR_MS))
    assert kinds["host.reply"] == 0
    assert kinds["host.speech"] > 200
