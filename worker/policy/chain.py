"""The links of the policies' topic, and what they hash to. `docs/decisions/055-policies-are-a-chain.md` has the forms.

A link names the chain before it. It becomes part of the chain when that is the head at its place in the topic and the
right key has signed it. So whether it does is a function of the records before it.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from worker.policy.keyring import Keyring, Millis, why_not, why_not_root
from worker.policy.signing import SIGNATURE, Roots, Signature, Signer, only_header, read_signature, sealed
from worker.records import Record

PREV = "sa-prev"
GENESIS = "0" * 64
KEYRING, BASELINE, RECEIPT = b"#keyring", b"#baseline", b"#receipt"
KIND = "stream-audit/policies"
PARTITIONS_MAX = 10_000
LISTED_MAX = 1_000
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_KEY = re.compile(rb"#?[a-z][a-z0-9_]{0,62}")

Headers = tuple[tuple[str, bytes], ...]
Offset = Annotated[int, Meta(ge=0)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Link(NamedTuple):
    """A record that says what it follows. `message` is what its hash and its signature are over."""

    prev: str
    key: bytes
    message: bytes
    signature: Signature | None

    @property
    def head(self) -> str:
        """The chain's head once this is its last link."""
        return sha256(self.message).hexdigest()


class NotALink(ValueError):
    """A record says that it is a link and cannot be one; the message says why."""


def link_of(record: Record) -> Link | None:
    """Return a record as a link; None when it names no chain, as an earlier release wrote it.

    Raises NotALink.
    """
    if all(name != PREV for name, _ in record.headers):
        return None
    prev, key, value = only_header(record.headers, PREV), record.key, record.value
    if prev is None or _DIGEST.fullmatch(prev) is None:
        raise NotALink(f"its header {PREV} is no SHA-256")
    if key is None or _KEY.fullmatch(key) is None:
        raise NotALink("its key is neither the name of a policy nor one of #keyring, #baseline and #receipt")
    if value is None:
        raise NotALink("it is a tombstone, which withdraws nothing; publish a new version without rules")
    signature = read_signature(only_header(record.headers, SIGNATURE))
    return Link(prev.decode(), key, message_of(prev.decode(), key, value), signature)


def message_of(prev: str, key: bytes, value: bytes) -> bytes:
    """Return what a link's hash and signature are over. `key` has no line break, `prev` a fixed length."""
    return sealed(KIND, b"%b\n%b\n%b" % (prev.encode(), key, value))


def write_link(prev: str, key: bytes, value: bytes, signer: Signer | None) -> tuple[Headers, str]:
    """Return the headers of a new link, signed if there is a signer, and the head after it."""
    message = message_of(prev, key, value)
    signed = ((SIGNATURE, signer.sign(message)),) if signer is not None else ()
    return ((PREV, prev.encode()), *signed), sha256(message).hexdigest()


def why_refused(link: Link, *, head: str, keyring: Keyring | None, roots: Roots, at_ms: int) -> str:
    """Say why a link that was appended at `at_ms` is not the next one of a chain; nothing when it is."""
    if link.prev != head:
        return f"follows {link.prev[:12]}…, but the chain's head is {head[:12]}…: something was published before it"
    if link.key == KEYRING:
        return why_not_root(roots, link.signature, link.message)
    if keyring is None:
        return ""
    return why_not(keyring, link.signature, link.message, role="policy", at_ms=at_ms)


class Listed(Struct, frozen=True, forbid_unknown_fields=True):
    """A policy that was published before the chain began: where, when, and its document."""

    offset: Offset
    published_ms: Millis
    document: str


class Baseline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an earlier release had published, by offset. It is not judged again."""

    kind: Literal["baseline"] = "baseline"
    policies: Annotated[tuple[Listed, ...], Meta(max_length=LISTED_MAX)]


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where partitions of the room log switched to the book at `offset`, whose head is `chain`."""

    kind: Literal["receipt"] = "receipt"
    offset: Offset
    chain: Digest
    at: Annotated[tuple[tuple[Annotated[int, Meta(ge=0, lt=PARTITIONS_MAX)], Offset], ...],
                  Meta(max_length=PARTITIONS_MAX)]  # fmt: skip


_baselines = msgspec.json.Decoder(Baseline)
_receipts = msgspec.json.Decoder(Receipt)


def read_baseline(value: bytes) -> Baseline:
    """Return the baseline in a record's value. Raises ValueError that says what is wrong with it."""
    try:
        found = _baselines.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no baseline: {error}") from None
    _check_rising((one.offset for one in found.policies), "is no baseline: offsets must rise")
    return found


def read_receipt(value: bytes) -> Receipt:
    """Return the receipt in a record's value. Raises ValueError that says what is wrong with it."""
    try:
        found = _receipts.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no receipt: {error}") from None
    _check_rising((partition for partition, _ in found.at), "is no receipt: partitions must rise")
    return found


def write(content: Baseline | Receipt) -> bytes:
    """Return a record's value."""
    return msgspec.json.encode(content)


def _check_rising(numbers: Iterable[int], what: str) -> None:
    last = -1
    for number in numbers:
        if number <= last:
            raise ValueError(what)
        last = number
