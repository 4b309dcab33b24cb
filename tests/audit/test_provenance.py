"""Watermarks, C2PA, IPTC and GB 45438: what they confirm, what they only hint at, and what says nothing."""

from typing import Any

import pytest

from tests.audit.build import T0, a_room, beat, ev
from worker.audit import events as e
from worker.audit.facts import Certainty, Tamper
from worker.audit.room import Room

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
NONE, SUSPECTED, POSSIBLE, CONFIRMED = Certainty


def read(**fields: Any) -> Room:
    return a_room([beat(0), ev(e.ProvenanceRead, 1_000, **fields)])


@pytest.mark.parametrize(
    ("aigc", "certainty"),
    [
        ({"Label": "1", "ContentProducer": "x"}, CONFIRMED),
        ({"Label": "2"}, POSSIBLE),
        ({"Label": "3"}, SUSPECTED),
        ({"Label": 1}, CONFIRMED),  # deviation: a number
        ({"label": " 1 "}, CONFIRMED),  # deviation: case and blanks
        ({"LABEL": "2"}, POSSIBLE),
        ({"Label": "AIGC"}, SUSPECTED),  # seen in the wild: an explicit trace
        ({"Label": "AIGC", "ProduceID": "0000"}, SUSPECTED),
        ({"Label": ""}, NONE),
        ({"Label": None}, NONE),
        ({"Label": False}, NONE),
        ({"Label": ["1"]}, NONE),
        ({"Label": {"1": "1"}}, NONE),
        ({"ContentProducer": "x"}, NONE),
        ({}, NONE),
        (None, NONE),
    ],
)
def test_gb45438_labels_as_they_are_written_in_the_wild(aigc: dict[str, Any] | None, certainty: Certainty) -> None:
    assert read(source="gb45438", aigc=aigc).session.facts.ai_presenter.certainty == certainty


@pytest.mark.parametrize("source", ["c2pa", "iptc"])
@pytest.mark.parametrize(
    ("kind", "trusted", "certainty"),
    [
        ("trainedAlgorithmicMedia", True, CONFIRMED),
        ("compositeWithTrainedAlgorithmicMedia", True, CONFIRMED),
        ("trainedAlgorithmicMedia", False, SUSPECTED),  # anybody can write an unsigned claim
        ("compositeSynthetic", True, POSSIBLE),
        ("compositeSynthetic", False, SUSPECTED),
        ("virtualRecording", True, NONE),
        ("digitalCapture", True, NONE),
        ("algorithmicMedia", True, NONE),
        ("humanEdits", True, NONE),
    ],
)
@pytest.mark.parametrize("form", [IPTC + "{}", "{}", IPTC + "{}/"])
def test_digital_source_types(source: str, kind: str, trusted: bool, certainty: Certainty, form: str) -> None:
    room = read(source=source, digital_source_type=form.format(kind), trusted=trusted)
    assert room.session.facts.ai_presenter.certainty == certainty
    assert room.session.facts.tamper == Tamper()


def test_no_digital_source_type_says_nothing() -> None:
    assert read(source="c2pa").session.facts.ai_presenter.certainty == NONE


@pytest.mark.parametrize(("trusted", "certainty"), [(True, CONFIRMED), (False, POSSIBLE)])
def test_tampering_is_proved_only_under_a_trusted_signature(trusted: bool, certainty: Certainty) -> None:
    status = ["assertion.dataHash.mismatch", "b", "c", "d", "e"]
    room = read(source="c2pa", trusted=trusted, tampered=True, status=status)
    assert room.session.facts.tamper == Tamper(certainty, "c2pa", T0 + 1_000)
    assert [x.text for x in room.session.excerpts] == ["c2pa: assertion.dataHash.mismatch, b, c, d"]


def test_a_tampered_claim_of_ai_is_a_trace_and_no_proof() -> None:
    room = read(source="c2pa", tampered=True, digital_source_type="trainedAlgorithmicMedia")
    assert room.session.facts.ai_presenter.certainty == SUSPECTED


@pytest.mark.parametrize(
    ("outcome", "certainty"),
    [("detected", CONFIRMED), ("uncertain", SUSPECTED), ("not_detected", NONE), ("not_tested", NONE)],
)
def test_watermark_outcomes(outcome: str, certainty: Certainty) -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000, outcome=outcome)])
    assert room.session.facts.ai_presenter.certainty == certainty


@pytest.mark.parametrize("outcome", ["not_detected", "uncertain", "not_tested"])
def test_an_absent_watermark_exonerates_nobody(outcome: str) -> None:
    room = a_room([beat(0), ev(e.WatermarkRead, 1_000), ev(e.WatermarkRead, 2_000, outcome=outcome)])
    assert (room.session.facts.ai_presenter.certainty, room.session.facts.ai_presenter.since_ms) == (
        CONFIRMED,
        T0 + 1_000,
    )


def test_the_strongest_source_holds_and_the_first_sight_of_any_gives_the_time() -> None:
    weak = ev(e.ProvenanceRead, 1_000, source="gb45438", aigc={"Label": "3"})
    strong = ev(e.WatermarkRead, 2_000)
    for log in ([weak, strong], [weak, strong, weak]):
        presenter = a_room([beat(0), *log]).session.facts.ai_presenter
        assert (presenter.certainty, presenter.by, presenter.since_ms) == (CONFIRMED, "watermark", T0 + 1_000)
