"""Published policies: taken on top of the files, or refused with place and reason while the old version stays."""

import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import pytest

from tests.contracts.contract import Contract
from tests.policy.build import MINUTE, T0, a_policy, a_room, a_rule, closed, look, only, reviewed, set_ai
from worker.audit.facts import REVIEW_BIT, Certainty
from worker.policy.feed import PolicyFeed
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.policy.model import Policy
from worker.policy.wire import as_document
from worker.resources import POLICIES_DIR
from worker.topics import POLICIES_TOPIC


class Published(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def published(text: str, offset: int = 0, timestamp: int = T0, key: str = "wechat_channels") -> Published:
    return Published(offset, timestamp, key.encode(), as_document("p.yaml", text).encode())


def a_feed(*files: str) -> PolicyFeed:
    return PolicyFeed(load_policies({f"{n}.yaml": text for n, text in enumerate(files or (a_policy(),))}))


def version_at(feed: PolicyFeed, minutes: float) -> tuple[int, int | None]:
    active = feed.book.active("wechat_channels", "CN", T0 + int(minutes * MINUTE))
    return active.rules[0].policy.version, active.offset


def test_a_published_version_holds_from_its_event_time_on_and_records_name_its_offset() -> None:
    feed = a_feed()
    assert feed.take(published(a_policy(version=2, since_ms=T0 + 10 * MINUTE), offset=5), topic=POLICIES_TOPIC) == ()
    assert [version_at(feed, m) for m in (0, 9.99, 10)] == [(1, None), (1, None), (2, 5)]
    judge, room = Judge(feed.book), a_room()
    set_ai(room, Certainty.CONFIRMED)
    assert only(look(judge, room, 9)).policy.version == 1
    assert judge.control(room, room.max_at_ms).policies is None
    assert only(look(judge, room, 39)).policy.version == 2
    assert judge.control(room, room.max_at_ms).policies == 5


def test_a_version_that_is_known_but_not_in_force_changes_no_record() -> None:
    said = []
    for known in (False, True):
        feed, room = a_feed(), a_room()
        if known:
            assert (
                feed.take(published(a_policy(version=2, since_ms=T0 + 60 * MINUTE), offset=5), topic=POLICIES_TOPIC)
                == ()
            )
        judge = Judge(feed.book)
        set_ai(room, Certainty.CONFIRMED)
        decisions = look(judge, room, 1)
        reviewed(room, decisions[0].violation_id, "overturned", "appeal")
        decisions += look(judge, room, 2, REVIEW_BIT)
        room.session.id, room.session.number = "s2", 2
        decisions += look(judge, room, 3)
        closed(room)
        decisions += look(judge, room, 4, 0)
        said.append([(d.kind, d.policy.version, d.rule.policy.version) for d in decisions])
    assert said[0] == said[1]
    assert [kind for kind, _, _ in said[0]] == ["opened", "withdrawn", "opened", "cleared"]


def test_what_was_published_holds_in_place_of_a_file_even_of_a_later_version() -> None:
    feed = a_feed(a_policy(version=7))
    assert feed.take(published(a_policy(version=2, since_ms=T0 + MINUTE)), topic=POLICIES_TOPIC) == ()
    assert [version_at(feed, m)[0] for m in (0, 1)] == [7, 2]


def test_a_version_without_rules_withdraws_a_policy() -> None:
    feed = a_feed()
    assert (
        feed.take(
            published(a_policy(version=2, since_ms=T0 + MINUTE).split("rules:")[0] + "rules: []\n"),
            topic=POLICIES_TOPIC,
        )
        == ()
    )
    assert feed.book.active("wechat_channels", "CN", T0 + MINUTE).rules == ()


REFUSED = {
    "version 2 is not above 2": (a_policy(version=2, since_ms=T0 + 20 * MINUTE), "wechat_channels", 3),
    "is too early": (a_policy(version=3, since_ms=T0 + MINUTE - 1), "wechat_channels", 4),
    "may not take effect earlier": (a_policy(version=3, since_ms=T0 + MINUTE), "wechat_channels", 1),
    "the record's key is 'douyin'": (a_policy(version=3, since_ms=T0 + 20 * MINUTE), "douyin", 1),
    "unknown name 'nobody'": (
        a_policy(a_rule(when="nobody > 1"), version=3, since_ms=T0 + 20 * MINUTE), "wechat_channels", 24,
    ),
    "unknown action 'shout'": (
        a_policy(a_rule(ladder="[shout]"), version=3, since_ms=T0 + 20 * MINUTE), "wechat_channels", 27,
    ),
    "test failed: expected [challenge]": (
        a_policy(a_rule(expect="[challenge]"), version=3, since_ms=T0 + 20 * MINUTE), "wechat_channels", 32,
    ),
    "inherits 'nowhere'": (
        a_policy(version=3, since_ms=T0 + 20 * MINUTE, head="inherits: [nowhere]\n"), "wechat_channels", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_a_bad_policy_is_refused_with_its_place_and_the_old_version_stays(why: str) -> None:
    text, key, line = REFUSED[why]
    feed = a_feed()
    assert feed.take(published(a_policy(version=2, since_ms=T0 + 10 * MINUTE)), topic=POLICIES_TOPIC) == ()
    before = feed.book
    problems = feed.take(published(text, offset=9, key=key), topic=POLICIES_TOPIC)
    assert any(why in str(problem) for problem in problems), problems
    assert (problems[0].file, problems[0].line) == ("live.audit.policies@9", line)
    assert feed.book is before
    assert (feed.accepted, feed.rejected) == (1, 1)


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[]", b"{", b"x: &a 1"])
def test_what_is_no_policy_at_all_is_refused(value: bytes | None) -> None:
    feed = a_feed()
    assert len(feed.take(Published(0, T0, b"wechat_channels", value), topic=POLICIES_TOPIC)) == 1
    assert feed.rejected == 1


SHIPPED = {path.name: path.read_text(encoding="utf-8") for path in sorted(POLICIES_DIR.glob("*.yaml"))}


@cache
def shipped() -> tuple[Policy, ...]:
    return load_policies(SHIPPED, run_tests=False).policies


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_as_a_document_keeps_its_schema_and_says_the_same(name: str) -> None:
    document = as_document(name, SHIPPED[name])
    contract = Contract("live.audit.policies")
    assert contract.producer_accepts(document.encode()), contract.errors(json.loads(document))
    other = load_policies({**SHIPPED, name: document}, run_tests=False).policies  # its tests are compared, too
    said = [[(r.id, r.title, r.basis, r.when.text.strip(), r.exempt.text.strip(), r.ladder, r.caps, r.rollout,
              r.escalate_after_ms, [(c.given, c.expect) for c in r.cases]) for p in ps for r in p.rules]
            for ps in (shipped(), other)]  # fmt: skip
    assert said[0] == said[1]
    assert json.loads(document)["policy"] == name.removesuffix(".yaml")
