"""Likeness, persona, product media, fleet and registration: the worst that is known, and nothing before it is."""

from typing import Any

import pytest

from tests.audit.build import MINUTE, T0, a_room, beat, ev, feed
from worker.audit import events as e
from worker.audit.facts import Certainty, Facts, Fleet, Likeness, Persona, ProductMedia, Registration
from worker.audit.sessions import Status


def facts(*events: Any) -> Facts:
    return a_room([beat(0), *events]).session.facts


@pytest.mark.parametrize(("similarity", "certainty"), [(0.69, 0), (0.70, 1), (0.8499, 1), (0.85, 2), (0.95, 3)])
def test_similarity_gives_the_certainty_of_a_likeness(similarity: float, certainty: int) -> None:
    assert facts(ev(e.LikenessMatch, 1, similarity=similarity)).likeness.certainty == certainty


def test_the_best_match_holds_and_news_about_the_same_person_replaces_it() -> None:
    star = ev(e.LikenessMatch, 1, person_id="star", similarity=0.9, consent="none")
    other = ev(e.LikenessMatch, 2, person_id="other", similarity=0.8, consent="unknown")
    consent = ev(e.LikenessMatch, 3, person_id="star", similarity=0.88, consent="granted")
    assert facts(star, other).likeness.person_id == "star"
    assert facts(star, other, consent).likeness == Likeness(Certainty.POSSIBLE, 0.88, "granted", "star", T0 + 1)
    assert facts(consent, star, other).likeness.consent == "granted", "what is older is no news"


def test_one_without_consent_is_shown_before_a_surer_match_with_another() -> None:
    copied = ev(e.LikenessMatch, 1, person_id="star", similarity=0.86, consent="none")
    own = ev(e.LikenessMatch, 2, person_id="host", similarity=0.99, consent="granted")
    far = ev(e.LikenessMatch, 3, person_id="stranger", similarity=0.3, consent="none")
    assert facts(copied, own, far).likeness.person_id == "star"
    assert facts(own, far).likeness.person_id == "host", "a match that is none shows no one"


@pytest.mark.parametrize(("confidence", "certainty"), [(0.59, 0), (0.60, 1), (0.89, 1), (0.90, 2), (1.0, 2)])
def test_a_classifier_alone_never_confirms_a_persona(confidence: float, certainty: int) -> None:
    assert facts(ev(e.PersonaFlag, 1, confidence=confidence)).persona.certainty == certainty


def test_the_most_confident_persona_holds() -> None:
    sure = ev(e.PersonaFlag, 1, kind="elite", conduct="courses", confidence=0.92)
    less = ev(e.PersonaFlag, 2, kind="foreign", conduct="other", confidence=0.7)
    assert facts(sure, less).persona == Persona(Certainty.POSSIBLE, "elite", "courses", 0.92, T0 + 1)


def test_synthetic_media_that_does_not_mislead_accuses_nobody() -> None:
    synthetic = ev(e.ProductMedia, 1, synthetic=True, misleading=False)
    assert facts(synthetic).product_media == ProductMedia(Certainty.NONE, True, False, "p")


def test_the_worst_product_holds() -> None:
    harmless, bad = ev(e.ProductMedia, 1, misleading=False), ev(e.ProductMedia, 5)
    found = facts(harmless, bad, ev(e.ProductMedia, 9)).product_media
    assert found == ProductMedia(Certainty.POSSIBLE, True, True, "p", T0 + 5), "since the offence, not since the first"
    misleading = ev(e.ProductMedia, 1, product_id="bad", synthetic=False, misleading=True)
    honest = ev(e.ProductMedia, 2, product_id="good", synthetic=False, misleading=False)
    fact = facts(misleading, honest).product_media
    assert (fact.certainty, fact.product_id) == (Certainty.POSSIBLE, "bad")


def test_the_latest_word_about_a_fleet_and_of_the_registry_holds() -> None:
    first = ev(e.FleetMatched, 1, size=5)
    assert facts(first, ev(e.FleetMatched, 2, size=9, permitted=True)).fleet == Fleet("voice", 9, True, T0 + 1, T0 + 2)
    assert facts(first, ev(e.FleetMatched, 2, size=1)).fleet.size == 1
    assert facts(ev(e.FleetMatched, 2, size=1), first).fleet.size == 1, "an older word brings no match back"
    unregistered = ev(e.RegistrationState, 3, avatar_registered=False, driver_verified=False)
    assert facts(unregistered).registration == Registration(True, False, False, True, T0 + 3)
    newer = ev(e.RegistrationState, 2, registry_offset=9)
    assert facts(newer, unregistered).registration.avatar_registered, "the registry's own order decides"
    only_past = ev(e.RegistrationState, 4, registry_offset=9, known=False)
    assert facts(newer, only_past).registration.known, "who passes on the past takes no registration away"


def test_of_several_fleets_the_one_that_weighs_most_holds() -> None:
    operator = ev(e.FleetMatched, 1, kind="operator", identity="o", size=2_200)
    voice = ev(e.FleetMatched, 2, kind="voice", identity="v", size=10)
    face = ev(e.FleetMatched, 3, kind="face", identity="f", size=50, permitted=True)
    assert facts(operator, voice, face).fleet == Fleet("voice", 10, False, T0 + 2, T0 + 2)
    dissolved = ev(e.FleetMatched, 4, kind="voice", identity="v", size=1)
    assert facts(operator, voice, face, dissolved).fleet == Fleet("operator", 2_200, False, T0 + 1, T0 + 1)


def test_an_answer_is_never_late_and_one_for_a_session_that_is_over_is_no_ones_mistake() -> None:
    room = a_room([beat(0), beat(5 * MINUTE)])
    assert feed(room, [ev(e.FleetMatched, 0), ev(e.RegistrationState, 1)]) == [Status.APPLIED, Status.APPLIED]
    assert room.session.facts.fleet.size == 2 and room.session.facts.registration.known
    assert feed(room, [ev(e.FleetMatched, 0, session_id="s0")]) == [Status.FOREIGN]
    feed(room, [ev(e.RoomClosed, 5 * MINUTE)])
    answers = [ev(e.RestrictionTested, 6 * MINUTE), ev(e.FleetMatched, 4 * MINUTE)]
    assert feed(room, answers) == [Status.APPLIED, Status.APPLIED]


def test_a_registry_that_does_not_know_the_host_says_nothing_against_him() -> None:
    unknown = ev(e.RegistrationState, 1, known=False, avatar_registered=False, driver_verified=False)
    assert not facts(unknown).registration.known
    assert not facts(ev(e.RegistrationState, 1, host_id="another")).registration.known


def test_until_the_registry_has_spoken_nothing_is_missing() -> None:
    assert facts().registration == Registration()
    assert not facts().registration.known
