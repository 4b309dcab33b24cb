"""Detectors' looks: ranks among human looks, one weight a signal, versions that forget, disagreement told."""

from statistics import NormalDist
from typing import Any

import pytest

from tests.audit.build import MINUTE, a_room, beats, ev, in_time
from worker.audit import calibration
from worker.audit import events as e
from worker.audit.calibration import RANKS, rank
from worker.audit.room import Block, Pane
from worker.audit.signals import detectors
from worker.audit.tables import HUMAN_SCORES

FACE: dict[str, Any] = {"detector": "face-audit", "modality": "face"}
LIPS: dict[str, Any] = {"detector": "lip-sync-audit", "modality": "lip_sync"}


def seen(score: float, minutes: tuple[int, int] = (0, 5), **fields: Any) -> list[Any]:
    return [
        ev(e.DetectorScore, at, score=score, **fields) for at in range(minutes[0] * MINUTE, minutes[1] * MINUTE, 10_000)
    ]


def judged(*groups: list[Any], minutes: int = 7) -> Any:
    return a_room(in_time([ev(e.RoomOpened, 0)], beats(minutes * MINUTE), *groups))


@pytest.mark.parametrize(("key", "scores"), HUMAN_SCORES.items())
def test_a_table_gives_its_own_ranks_back_and_rises_between_them(
    key: tuple[str, str, str], scores: tuple[float, ...]
) -> None:
    assert [rank(*key, score) for score in scores] == pytest.approx(RANKS)
    ranks = [rank(*key, i / 1_000) or 0.0 for i in range(1_001)]
    assert ranks == sorted(ranks)
    assert (ranks[0], ranks[-1]) == (0.0, 1.0)
    high = scores[RANKS.index(calibration.HIGH)]
    assert rank(*key, high) == calibration.HIGH
    assert (rank(*key, high + 1e-9) or 0) > calibration.HIGH


def test_provisional_scores_are_the_ones_their_formula_gives() -> None:
    q = HUMAN_SCORES["face-audit", "1", ""][RANKS.index(0.95)]
    for p, score in zip(RANKS, HUMAN_SCORES["face-audit", "1", ""], strict=True):
        odds = 2.718281828 ** (NormalDist().inv_cdf(p) - 1.6449) * q / (1 - q)
        assert score == pytest.approx(odds / (1 + odds), abs=1e-4)


def test_a_detector_version_or_stratum_without_a_table_abstains_and_is_counted() -> None:
    assert rank("voice-audit", "2", "", 0.5) is rank("voice-audit", "1", "opera", 0.5) is None
    room = judged(seen(1.0, version="2"), seen(1.0, stratum="opera"))
    assert room.session.uncalibrated == 60
    assert "AI" not in room.session.families


def test_one_look_a_pane_counts_the_earliest_whatever_arrives_first() -> None:
    early = [ev(e.DetectorScore, at, score=0.1) for at in range(0, 5 * MINUTE, 10_000)]
    later = [ev(e.DetectorScore, at + 4_000, score=1.0) for at in range(0, 5 * MINUTE, 10_000)]
    for log in ([*early, *later], [*later, *early]):
        block = Block()
        room = a_room([ev(e.RoomOpened, 0)])
        pane = Pane(0)
        for event in (one for one in log if one.at_ms < early[1].at_ms):
            detectors.collect(pane, event)
        room.session.block = block
        detectors.fold(room, pane)
        assert (block.voice_looks, block.voice_high) == (1, 0.0)


def test_detectors_of_one_signal_are_averaged_and_their_disagreement_is_told() -> None:
    room = judged(seen(1.0, **FACE), seen(0.0, **LIPS))
    assert room.session.families["AI"].values[1] == 0.5
    assert detectors.disagreement(room, "visual") == 1.0
    assert detectors.disagreement(room, "voice") is None


def test_a_script_bets_nowhere_but_is_shown() -> None:
    room = judged(seen(1.0, detector="script-audit", modality="script"))
    assert "AI" not in room.session.families
    assert [(d.modality, d.looks, d.high) for d in room.session.detectors] == [("script", 30, 30)]


@pytest.mark.parametrize(("version", "norm"), [("1", 0.25 * (0.92 + 0.12 / 0.25)), ("0", 0.25)])
def test_a_new_version_forgets_what_the_old_one_saw(monkeypatch: pytest.MonkeyPatch, version: str, norm: float) -> None:
    monkeypatch.setitem(HUMAN_SCORES, ("voice-audit", "0", ""), HUMAN_SCORES["voice-audit", "1", ""])
    room = judged(seen(1.0, (0, 5), version=version), seen(1.0, (5, 10)), minutes=12)
    assert room.session.families["AI"].norms[0] == pytest.approx(norm)
    assert [d.version for d in room.session.detectors] == ["1"]
