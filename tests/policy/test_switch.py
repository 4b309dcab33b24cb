"""Switches: what names a book of the chain and is signed by its keyring counts, nothing else does."""

import pytest
from msgspec.structs import replace

from tests.policy.build import T0, a_policy
from tests.policy.chained import POLICY, RELAY, SECOND, Row, Topic, a_key, read
from worker.policy.chain import GENESIS
from worker.policy.keyring import Keyring, new_key
from worker.policy.signing import Signer
from worker.policy.switch import SWITCH_KEY, Switch, read_switch, why_unsigned, write_switch

SWITCH = Switch(offset=3, chain="a" * 64, partition=1)
RING = Keyring(version=1, keys=(a_key(), new_key(RELAY.public, "relay")))


def a_row(switch: Switch = SWITCH, signer: Signer | None = POLICY) -> Row:
    value, headers = write_switch(switch, signer)
    return Row(0, T0, SWITCH_KEY, value, headers)


def test_a_switch_reads_back_as_it_was_written() -> None:
    assert read_switch(a_row()) == SWITCH
    assert (a_row().value or b"").startswith(b'{"type":"policies.activated","offset":3,"chain":"aaa')


@pytest.mark.parametrize(
    "row",
    [
        a_row()._replace(key=b"room"),
        a_row()._replace(value=None),
        a_row()._replace(value=b"{}"),
        a_row()._replace(value=b"\xff"),
        a_row()._replace(value=(a_row().value or b"").replace(b"activated", b"asked")),
        a_row()._replace(value=(a_row().value or b"")[:-1] + b" " * 2_000 + b"}"),
        a_row(replace(SWITCH, offset=-1)),
        a_row(replace(SWITCH, chain="a" * 63)),
    ],
)
def test_what_is_no_switch_says_nothing(row: Row) -> None:
    assert read_switch(row) is None


def test_the_keyring_of_the_book_decides_about_the_signature() -> None:
    assert why_unsigned(a_row(), RING) == ""
    assert why_unsigned(a_row(signer=None), None) == ""
    assert "is not signed" in why_unsigned(a_row(signer=None), RING)
    assert "does not list" in why_unsigned(a_row(signer=SECOND), RING)
    assert "of the role relay" in why_unsigned(a_row(signer=RELAY), RING)
    moved = a_row()._replace(value=a_row(replace(SWITCH, partition=2)).value)
    assert "false signature" in why_unsigned(moved, RING)
    ended = Keyring(version=2, keys=(a_key(not_after_ms=T0),))
    assert "ended at" in why_unsigned(a_row(), ended)


def test_a_signature_of_a_link_is_none_of_a_switch() -> None:
    topic = Topic()
    link = topic.append(b"douyin", a_row().value or b"", POLICY)
    assert "false signature" in why_unsigned(Row(0, T0, SWITCH_KEY, a_row().value, link.headers), RING)


def test_a_feed_says_whether_a_switch_names_a_place_of_its_chain() -> None:
    topic = Topic()
    first = topic.baseline()
    head = topic.head
    topic.policy(a_policy(version=2))
    feed, _ = read(topic, a_policy())
    assert feed.why_not(Switch(offset=first.offset, chain=head, partition=0)) == ""
    assert feed.why_not(Switch(offset=1, chain=topic.head, partition=0)) == ""
    assert "another chain" in feed.why_not(Switch(offset=1, chain=head, partition=0))
    assert "another chain" in feed.why_not(Switch(offset=1, chain=GENESIS, partition=0))
    assert "has nothing" in feed.why_not(Switch(offset=2, chain=topic.head, partition=0))
