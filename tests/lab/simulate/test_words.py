"""The words of simulated people against the lexicon of virtual-host software, sentence by sentence."""

import pytest

from worker.audit.facts import Certainty
from worker.audit.markers import software
from worker.audit.room import Room
from worker.lab.simulate import words

MINUTE_MS = 60_000


def _said(*sentences: str) -> Certainty:
    """How sure the core is of a promotion after these sentences, two minutes apart."""
    room = Room("r:1")
    for i, sentence in enumerate(sentences):
        software.read(room, sentence.replace("{n}", "19"), i * 2 * MINUTE_MS, "speech", i)
    return Certainty(room.session.facts.software_promotion.certainty)


@pytest.mark.parametrize("sentence", words.SOFTWARE_WARNINGS)
def test_a_warning_said_again_and_again_is_no_promotion(sentence: str) -> None:
    assert _said(*[sentence] * 6) is Certainty.NONE
    assert _said(*[f"{sentence}，想带走的点下面那个袋子，这个价买不了吃亏"] * 6) is Certainty.NONE


@pytest.mark.parametrize("clause", sum((goods.praise for goods in words.GOODS), ()) + words.CHATTER + words.CALLS)
def test_ordinary_sales_talk_is_no_promotion(clause: str) -> None:
    assert _said(*[clause] * 6) is Certainty.NONE


def test_some_pitches_for_the_software_are_recognised_each_alone() -> None:
    """Three of ten today. The words were written without a look at the lexicon, so this is a floor that may rise."""
    found = [sentence for sentence in words.SOFTWARE_SALES if _said(*[sentence] * 4) is Certainty.CONFIRMED]
    assert len(found) >= 3
