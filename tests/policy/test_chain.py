"""The policies' chain: the order of the topic decides, and what is no link changes nothing."""

import json
from collections.abc import Callable

import pytest

from tests.policy.build import MINUTE, T0, a_policy, a_rule
from tests.policy.chained import OTHER_ROOT, POLICY, ROOTS, SECOND, Row, Topic, a_key, read
from worker.policy.chain import GENESIS, PREV, Listed, NotALink, link_of, message_of, read_baseline, read_receipt
from worker.policy.feed import NO_SWITCH, PolicyFeed
from worker.policy.load import load_policies
from worker.policy.signing import SIGNATURE, Roots
from worker.policy.wire import as_document
from worker.topics import POLICIES_TOPIC

SHIPPED = a_policy()


def versions(feed: PolicyFeed, place: int | None = None) -> list[tuple[int, int | None]]:
    book = feed.book if place is None else feed.book_at(place)
    return [(p.ref.version, p.offset) for p in book.policies if p.ref.id == "wechat_channels"]


def legacy(version: int, since_ms: int, text: str | None = None) -> Row:
    document = as_document("p.yaml", text or a_policy(version=version, since_ms=since_ms))
    return Row(0, T0, b"wechat_channels", document.encode())


# ---- the form of a link


def test_the_head_is_the_hash_of_what_the_decision_says() -> None:
    topic = Topic()
    link = link_of(topic.append(b"douyin", b"{}"))
    assert link is not None
    assert link.message == b"DSSEv1 21 stream-audit/policies 74 " + b"0" * 64 + b"\ndouyin\n{}"
    assert link.head == topic.head


def test_a_key_with_a_line_break_is_no_links() -> None:
    """Or its bytes could be read as those of another key and value."""
    assert message_of(GENESIS, b"a", b"b\nc") == message_of(GENESIS, b"a\nb", b"c")
    with pytest.raises(NotALink, match="key"):
        link_of(Row(0, 0, b"a\nb", b"c", ((PREV, GENESIS.encode()),)))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (Row(0, 0, b"douyin", b"{}", ((PREV, None),)), "no SHA-256"),
        (Row(0, 0, b"douyin", b"{}", ((PREV, b"0" * 63),)), "no SHA-256"),
        (Row(0, 0, b"douyin", b"{}", ((PREV, b"0" * 64), (PREV, b"0" * 64))), "no SHA-256"),
        (Row(0, 0, None, b"{}", ((PREV, b"0" * 64),)), "its key"),
        (Row(0, 0, b"Douyin", b"{}", ((PREV, b"0" * 64),)), "its key"),
        (Row(0, 0, b"douyin", None, ((PREV, b"0" * 64),)), "tombstone"),
    ],
)
def test_what_says_that_it_is_a_link_and_cannot_be_one_says_why(row: Row, what: str) -> None:
    with pytest.raises(NotALink, match=what):
        link_of(row)


# ---- the chain decides


def test_of_two_pushes_on_one_head_the_first_in_the_topic_wins() -> None:
    topic = Topic()
    topic.baseline()
    head = topic.head
    topic.policy(a_policy(version=7))
    lost = topic.policy(a_policy(version=8), prev=head, moves=False)
    topic.policy(a_policy(version=9, since_ms=1))
    feed, refused = read(topic, SHIPPED)
    assert versions(feed) == [(1, None), (7, 1), (9, 3)]
    assert list(refused) == [lost.offset]
    assert "something was published before it" in str(refused[lost.offset])
    assert feed.head == topic.head


def test_a_killed_push_leaves_a_beginning_and_its_rest_cannot_come_later() -> None:
    topic = Topic()
    topic.baseline()
    first = topic.policy(a_policy(a_rule("T-A-01"), name="first"))
    rest = topic.policy(a_policy(a_rule("T-B-01"), name="second"))
    topic.rows.remove(rest)  # never written
    topic.head = link_of(first).head  # type: ignore[union-attr]
    topic.policy(a_policy(a_rule("T-C-01"), name="other"))
    topic.append_raw(rest)  # a producer that was only stuck
    feed, refused = read(topic, SHIPPED)
    assert [p.ref.id for p in feed.book.policies if p.offset is not None] == ["first", "other"]
    assert list(refused) == [3]


def test_an_old_link_sent_again_changes_nothing() -> None:
    topic = Topic()
    topic.baseline()
    old = topic.policy(a_policy(version=2))
    topic.policy(a_policy(version=3, since_ms=1))
    topic.append_raw(old)
    feed, refused = read(topic, SHIPPED)
    assert (versions(feed)[-1], list(refused), feed.head) == ((3, 2), [3], topic.head)


def test_a_link_with_wrong_content_stays_one_and_what_follows_counts() -> None:
    """So releases whose files differ cannot lose the chain over a policy that one of them does not understand."""
    topic = Topic()
    topic.baseline()
    topic.policy(a_policy(a_rule(when="nobody > 1"), version=2))
    topic.policy(a_policy(version=2, since_ms=5))
    older = topic.policy(a_policy(version=1))
    feed, refused = read(topic, SHIPPED)
    assert versions(feed) == [(1, None), (2, 2)]
    assert feed.head == topic.head
    assert list(refused) == [1, older.offset]
    assert "unknown name 'nobody'" in str(refused[1])
    assert "version 1 is not above 2" in str(refused[older.offset])


@pytest.mark.parametrize("seed", range(20))
def test_readers_agree_however_the_topic_was_raced_for_and_wherever_they_start(seed: int) -> None:
    """Pushers with stale heads, copies, rubbish: every prefix gives each place one book, and the rest adds only."""
    import random

    draw = random.Random(seed)
    topic = Topic()
    topic.keyring(1, a_key(), a_key(SECOND))
    topic.baseline(signer=POLICY)
    heads = [topic.head]
    for version in range(2, 30):
        text = a_policy(version=version, since_ms=version)
        kind = draw.randrange(5)
        if kind < 2:
            topic.policy(text, draw.choice((POLICY, SECOND)))
            heads.append(topic.head)
        elif kind == 2:
            topic.policy(text, POLICY, prev=draw.choice(heads[:-1] or [GENESIS]), moves=False)
        elif kind == 3:
            topic.append_raw(draw.choice(topic.rows))
        else:
            topic.append_raw(legacy(version, 0))
    whole, _ = read(topic, SHIPPED)
    assert whole.head == topic.head
    assert versions(whole)[-1][0] > 1
    for end in range(len(topic.rows) + 1):
        feed = PolicyFeed(load_policies({"p.yaml": SHIPPED}), ROOTS)
        for row in topic.rows[:end]:
            feed.take(row, topic=POLICIES_TOPIC)
        for offset in range(NO_SWITCH, end):
            known, then = feed.place(offset), whole.place(offset)
            assert (known is None) == (then is None)
            assert known is None or then is None or known.chain == then.chain
            assert versions(feed, offset) == versions(whole, offset) or not feed.has_baseline


def test_versions_that_take_effect_at_one_time_hold_in_their_order() -> None:
    """A switch says when, so `effective_from_ms: 0` is good enough for each of them."""
    topic = Topic()
    topic.baseline()
    topic.policy(a_policy(version=2))
    topic.policy(a_policy(version=3))
    feed, refused = read(topic, SHIPPED)
    assert refused == {}
    assert feed.book.active("wechat_channels", "CN", 0).rules[0].policy.version == 3


# ---- signatures


def signed_topic() -> Topic:
    topic = Topic()
    topic.keyring(1, a_key())
    topic.baseline(signer=POLICY)
    return topic


FORGED: dict[str, Callable[[Topic], Row]] = {
    "is not signed": lambda t: t.policy(a_policy(version=2), moves=False),
    "does not list": lambda t: t.policy(a_policy(version=2), SECOND, moves=False),
    "a root key must": lambda t: t.keyring(2, a_key(SECOND), signer=None, moves=False),
    "which is no root key": lambda t: t.keyring(2, a_key(SECOND), signer=OTHER_ROOT, moves=False),
    "it names no chain": lambda t: t.append_raw(legacy(2, T0 + 20 * MINUTE)),
    "false signature": lambda t: t.append_raw(_tampered(t)),
}


def _tampered(topic: Topic) -> Row:
    head = topic.head
    row = topic.policy(a_policy(version=2), POLICY, moves=False)
    topic.rows.remove(row)
    assert topic.head == head
    return row._replace(value=(row.value or b"").replace(b'"severity": 3', b'"severity": 5'))


@pytest.mark.parametrize("why", FORGED)
def test_with_a_keyring_what_is_not_rightly_signed_is_no_link(why: str) -> None:
    topic = signed_topic()
    row = FORGED[why](topic)
    topic.policy(a_policy(version=3), POLICY)
    feed, refused = read(topic, SHIPPED)
    assert why in str(refused[row.offset])
    assert list(refused) == [row.offset]
    assert versions(feed) == [(1, None), (3, row.offset + 1)]


def test_rotation_is_add_use_end_and_old_links_stay() -> None:
    topic = signed_topic()
    topic.policy(a_policy(version=2), POLICY)
    topic.keyring(2, a_key(not_after_ms=T0 + 100), a_key(SECOND))
    topic.policy(a_policy(version=3, since_ms=1), POLICY)
    topic.time_ms = T0 + 100
    late = topic.policy(a_policy(version=4, since_ms=2), POLICY, moves=False)
    topic.policy(a_policy(version=5, since_ms=2), SECOND)
    topic.keyring(3, a_key(SECOND))
    feed, refused = read(topic, SHIPPED)
    assert list(refused) == [late.offset]
    assert [version for version, _ in versions(feed)] == [1, 2, 3, 5]
    assert feed.book.keyring is not None
    assert feed.book.keyring.version == 3


def test_an_older_keyring_does_not_bring_a_key_back() -> None:
    topic = signed_topic()
    topic.keyring(3, a_key(SECOND))
    old = topic.keyring(2, a_key())
    lost = topic.policy(a_policy(version=2), POLICY, moves=False)
    feed, refused = read(topic, SHIPPED)
    assert set(refused) == {old.offset, lost.offset}
    assert feed.book.keyring is not None
    assert feed.book.keyring.version == 3


def test_without_a_keyring_links_are_taken_and_counted() -> None:
    topic = Topic()
    topic.baseline()
    topic.policy(a_policy(version=2), POLICY)
    feed, refused = read(topic, SHIPPED)
    assert (refused, feed.unsigned, feed.book.keyring) == ({}, 2, None)


@pytest.mark.parametrize("roots", [{}, {OTHER_ROOT.kid: OTHER_ROOT.public}])
def test_a_reader_with_other_root_keys_falls_out_and_takes_nothing_more(roots: Roots) -> None:
    topic = signed_topic()
    topic.policy(a_policy(version=2), POLICY)
    feed, refused = read(topic, SHIPPED, roots)
    assert list(refused) == [0, 1, 2]
    assert (versions(feed), feed.newest_place) == ([(1, None)], NO_SWITCH)


# ---- what was there before


def test_records_of_an_earlier_release_count_until_the_chain_begins() -> None:
    topic = Topic()
    topic.append_raw(legacy(2, T0 + 10 * MINUTE))
    topic.append_raw(legacy(3, T0))  # too early, as before
    feed, refused = read(topic, SHIPPED)
    assert (versions(feed), list(refused)) == ([(1, None), (2, 0)], [1])
    topic.baseline(Listed(0, T0, as_document("p", a_policy(version=2, since_ms=T0 + 10 * MINUTE))))
    topic.append_raw(legacy(4, T0 + 20 * MINUTE))
    feed, refused = read(topic, SHIPPED)
    assert (versions(feed), list(refused)) == ([(1, None), (2, 0)], [1, 3])


def test_a_baseline_makes_readers_agree_that_compaction_had_parted() -> None:
    """A refused record as the newest of its key: compaction left it alone, and later readers never saw the good one."""
    good, stale = legacy(7, T0 + 10 * MINUTE), legacy(5, T0 + 20 * MINUTE)
    running, restarted = Topic(), Topic()
    for row in (good, stale):
        running.append_raw(row)
    restarted.rows = running.rows[1:]
    before = [versions(read(topic, SHIPPED)[0]) for topic in (running, restarted)]
    assert before[0] != before[1]
    listed = Listed(0, T0, (good.value or b"").decode())
    row = running.baseline(listed)
    restarted.rows.append(row)
    feeds = [read(topic, SHIPPED)[0] for topic in (running, restarted)]
    assert [versions(feed) for feed in feeds] == [[(1, None), (7, 0)]] * 2
    assert [versions(feed, NO_SWITCH) for feed in feeds] == [[(1, None), (7, 0)]] * 2
    assert feeds[0].head == feeds[1].head


def test_a_policy_before_the_baseline_and_a_second_baseline_change_nothing() -> None:
    topic = Topic()
    topic.keyring(1, a_key())
    early = topic.policy(a_policy(version=2), POLICY)
    topic.baseline(signer=POLICY)
    topic.policy(a_policy(version=2), POLICY)
    second = topic.baseline(signer=POLICY)
    feed, refused = read(topic, SHIPPED)
    assert set(refused) == {early.offset, second.offset}
    assert versions(feed) == [(1, None), (2, 3)]


def test_before_any_switch_no_key_is_known_and_what_came_with_the_chain_does_not_hold() -> None:
    topic = signed_topic()
    row = topic.policy(a_policy(version=2), POLICY)
    feed, _ = read(topic, SHIPPED)
    assert (versions(feed, NO_SWITCH), feed.book_at(NO_SWITCH).keyring) == ([(1, None)], None)
    assert versions(feed, row.offset) == [(1, None), (2, 2)]
    assert versions(feed, 1) == [(1, None)]
    assert feed.book_at(1).keyring is not None


# ---- receipts


def test_receipts_say_which_book_holds_at_an_offset_of_the_room_log() -> None:
    topic = signed_topic()
    two = topic.policy(a_policy(version=2), POLICY)
    head_two = topic.head
    three = topic.policy(a_policy(version=3, since_ms=1), POLICY)
    topic.receipt(three, topic.head, {0: 50, 1: 60}, POLICY)
    topic.receipt(two, head_two, {0: 40, 1: 70}, POLICY)
    feed, refused = read(topic, SHIPPED)
    assert refused == {}
    found = [feed.in_force(0, offset) for offset in (0, 40, 41, 50, 51, 10**12)]
    assert found == [NO_SWITCH, NO_SWITCH, two.offset, two.offset, three.offset, three.offset]
    assert [feed.in_force(1, offset) for offset in (60, 61, 71)] == [NO_SWITCH, three.offset, three.offset]
    assert feed.in_force(2, 100) == NO_SWITCH, "no receipt names this partition"


def test_the_first_receipt_of_a_partition_stays_and_one_of_another_chain_is_refused() -> None:
    topic = Topic()
    topic.baseline()
    row = topic.policy(a_policy(version=2))
    head = topic.head
    topic.receipt(row, head, {0: 40})
    topic.receipt(row, head, {0: 90, 1: 7})
    wrong = [topic.receipt(row, GENESIS, {2: 1}), topic.receipt(row._replace(offset=2), head, {2: 1})]
    feed, refused = read(topic, SHIPPED)
    assert feed.receipt(row.offset) == {0: 40, 1: 7}
    assert list(refused) == [one.offset for one in wrong]
    assert feed.place(2) is None, "a receipt is nothing to switch to"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        json.dumps({"kind": "receipt", "offset": 1, "chain": "x" * 64, "at": []}).encode(),
        json.dumps({"kind": "receipt", "offset": -1, "chain": "0" * 64, "at": []}).encode(),
        json.dumps({"kind": "receipt", "offset": 1, "chain": "0" * 64, "at": [[1, 2], [1, 3]]}).encode(),
        json.dumps({"kind": "receipt", "offset": 1, "chain": "0" * 64, "at": [[10_000, 2]]}).encode(),
        json.dumps({"kind": "receipt", "offset": 1, "chain": "0" * 64, "at": [], "more": 1}).encode(),
    ],
)
def test_what_is_no_receipt_says_so(value: bytes) -> None:
    with pytest.raises(ValueError, match="is no receipt"):
        read_receipt(value)


def test_a_baseline_lists_each_offset_once() -> None:
    one = {"offset": 3, "published_ms": 1, "document": "{}"}
    with pytest.raises(ValueError, match="offsets must rise"):
        read_baseline(json.dumps({"kind": "baseline", "policies": [one, one]}).encode())


def test_the_headers_have_the_names_that_the_contract_says() -> None:
    assert (PREV, SIGNATURE) == ("sa-prev", "sa-sig")
