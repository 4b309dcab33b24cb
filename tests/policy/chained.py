"""A policies' topic in memory, written as `policy push` and `keys` write it, for tests of what readers make of it."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from tests.policy.build import T0
from worker.policy.chain import BASELINE, GENESIS, KEYRING, RECEIPT, Baseline, Listed, Receipt, write, write_link
from worker.policy.feed import PolicyFeed
from worker.policy.keyring import Key, Keyring, new_key, write_keyring
from worker.policy.load import load_policies
from worker.policy.model import Problem
from worker.policy.signing import Roots, Signer
from worker.policy.wire import as_document
from worker.topics import POLICIES_TOPIC

ROOT, OTHER_ROOT = Signer(b"r" * 32), Signer(b"R" * 32)
POLICY, SECOND, RELAY = Signer(b"p" * 32), Signer(b"q" * 32), Signer(b"y" * 32)
ROOTS: Roots = {ROOT.kid: ROOT.public}


class Row(NamedTuple):
    """A record of the topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class Topic:
    """Appends links; `head` is where the next one of an honest pusher goes."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.head = GENESIS
        self.time_ms = T0

    def append(
        self, key: bytes, value: bytes, signer: Signer | None = None, *, prev: str | None = None, moves: bool = True
    ) -> Row:
        """Append a link behind `prev` (the head); a link that loses does not move the head."""
        headers, head = write_link(self.head if prev is None else prev, key, value, signer)
        row = Row(len(self.rows), self.time_ms, key, value, headers)
        self.rows.append(row)
        self.head = head if moves else self.head
        return row

    def append_raw(self, row: Row) -> Row:
        """Append any record as it is, at the next offset."""
        row = row._replace(offset=len(self.rows), timestamp=self.time_ms)
        self.rows.append(row)
        return row

    def baseline(self, *listed: Listed, signer: Signer | None = None) -> Row:
        return self.append(BASELINE, write(Baseline(policies=listed)), signer)

    def policy(self, text: str, signer: Signer | None = None, *, prev: str | None = None, moves: bool = True) -> Row:
        document = as_document("p.yaml", text)
        name = str(json.loads(document)["policy"])
        return self.append(name.encode(), document.encode(), signer, prev=prev, moves=moves)

    def keyring(self, version: int, *keys: Key, signer: Signer | None = ROOT, moves: bool = True) -> Row:
        value = write_keyring(Keyring(version=version, keys=keys))
        return self.append(KEYRING, value, signer, moves=moves)

    def receipt(self, place: Row, head: str, at: dict[int, int], signer: Signer | None = None) -> Row:
        receipt = Receipt(offset=place.offset, chain=head, at=tuple(sorted(at.items())))
        return self.append(RECEIPT, write(receipt), signer)


def a_key(signer: Signer = POLICY, **more: object) -> Key:
    """The entry of a key of the role policy."""
    return new_key(signer.public, "policy", **more)  # type: ignore[arg-type]


def read(topic: Topic, shipped: str, roots: Roots = ROOTS) -> tuple[PolicyFeed, dict[int, Problem]]:
    """What a worker with that file and those root keys makes of the topic, and by offset why it refused a record."""
    feed = PolicyFeed(load_policies({"p.yaml": shipped}), roots)
    refused = {row.offset: problems[0] for row in topic.rows if (problems := feed.take(row, topic=POLICIES_TOPIC))}
    return feed, refused
