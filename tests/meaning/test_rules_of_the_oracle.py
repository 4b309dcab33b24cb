"""The oracle's rules, against the examples that the policies' files carry."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.meaning.rules import CERTAINTIES, LEVELS, Rule, Verdict, World, leaves, rules_of, true_in, verdict

POLICIES = Path(__file__).resolve().parents[2] / "worker" / "policies"
BLANK: dict[str, dict[str, Any]] = {
    "ai_presenter": {"certainty": 0, "by": "", "declared": False},
    "recorded": {"certainty": 0, "by": ""},
    "tamper": {"certainty": 0, "by": ""},
    "idle": {"certainty": 0, "minutes": 0},
    "label": {"visible": False, "continuous": False, "ever": False, "kind": "", "by": "", "area_ratio": -1.0,
              "gap_minutes": 0},
    "registration": {"known": False, "avatar_registered": False, "driver_verified": False, "likeness_consent": False},
    "driven": {"replies": False, "challenges_passed": 0},
    "likeness": {"certainty": 0, "similarity": 0.0, "consent": "unknown", "person_id": ""},
    "persona": {"certainty": 0, "kind": "", "conduct": "", "confidence": 0.0},
    "software_promotion": {"certainty": 0, "by": "", "mentions": 0, "selling": False, "teaching": False},
    "product_media": {"certainty": 0, "synthetic": False, "misleading": False, "product_id": ""},
    "frame": {"known": False, "person_present": False, "avatar_height_ratio": -1.0, "embedded_video_ratio": -1.0,
              "cover_ratio": -1.0, "static_ratio": -1.0, "same_source_audio": False},
    "fleet": {"kind": "", "size": 0, "permitted": False},
    "history": {"upheld": {}},
    "signals": {},
    "room": {"platform": "", "region": "CN", "selling": True, "viewers": 100, "age_minutes": 60, "paused": False,
             "shop_systems": []},
}  # fmt: skip


def documents() -> list[dict[str, Any]]:
    """The policies that ship."""
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(POLICIES.glob("*.yaml"))]


def world_of(given: Mapping[str, Any]) -> World:
    """The world that an example of a policy's file describes."""
    facts = {name: dict(fact) for name, fact in BLANK.items()}
    held = dict.fromkeys(facts, 60_000)
    for name, said in given.items():
        if name == "level":
            continue
        for key, value in said.items():
            if key == "held":
                held[name] = int(value[:-1]) * {"s": 1_000, "m": 60_000, "h": 3_600_000}[value[-1]]
            else:
                facts[name][key] = CERTAINTIES[value] if key == "certainty" else value
    levels = {family: LEVELS[level] for family, level in given.get("level", {}).items()}
    return World(facts, levels, held)


def examples() -> Iterator[tuple[str, Rule, Mapping[str, Any]]]:
    """Every example of every rule."""
    for document in documents():
        for rule, raw in zip(rules_of(document), document["rules"], strict=True):
            for number, example in enumerate(raw["tests"]):
                yield f"{rule.id}-{number}", rule, example


@pytest.mark.parametrize(("rule", "example"), [pytest.param(r, e, id=name) for name, r, e in examples()])
def test_a_rule_says_what_the_examples_in_its_file_expect(rule: Rule, example: Mapping[str, Any]) -> None:
    found = verdict(rule, world_of(example["given"]))
    said = list(leaves(rule.ladder[0], found.certainty)) if found.holds else []
    assert said == ([] if example["expect"] == "none" else example["expect"])


def test_an_unknown_label_neither_accuses_nor_takes_an_exemption_away() -> None:
    rule = next(r for document in documents() for r in rules_of(document) if r.id == "CN-LABEL-01")
    known = world_of({"ai_presenter": {"certainty": "CONFIRMED", "held": "5m"}})
    unknown = World({**known.facts, "label": {**BLANK["label"], "visible": None, "continuous": None}}, {}, known.held)
    assert verdict(rule, known) == Verdict(True, 3)
    assert verdict(rule, unknown) == Verdict(False)


def test_a_rule_of_shares_is_refused_rather_than_misjudged() -> None:
    with pytest.raises(Exception, match="share"):
        true_in('share("label.visible", duration("30m")) < 0.5', world_of({}))
