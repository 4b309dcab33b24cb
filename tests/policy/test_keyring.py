"""Keys: which signature counts when, and that nothing else does."""

from base64 import b64encode

import pytest
from msgspec.structs import replace

from tests.policy.build import T0
from tests.policy.chained import OTHER_ROOT, POLICY, RELAY, ROOT, ROOTS, SECOND, a_key
from worker.policy.keyring import Keyring, new_key, read_keyring, why_not, why_not_root, write_keyring
from worker.policy.signing import (
    Signature,
    Signer,
    is_by,
    kid_of,
    only_header,
    read_public,
    read_roots,
    read_signature,
    sealed,
)

MESSAGE = sealed("test", b"a message")
RING = Keyring(version=1, keys=(a_key(not_before_ms=T0, not_after_ms=T0 + 10), new_key(RELAY.public, "relay")))


def signed(signer: Signer, message: bytes = MESSAGE) -> Signature | None:
    return read_signature(signer.sign(message))


def why(ring: Keyring, signature: Signature | None, at_ms: int = T0) -> str:
    return why_not(ring, signature, MESSAGE, role="policy", at_ms=at_ms)


def test_rfc_8032_test_1_signs_the_same_bytes() -> None:
    """Section 7.1, TEST 1: the empty message."""
    signer = Signer(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert signer.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    found = read_signature(signer.sign(b""))
    assert found is not None
    assert found.raw.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


def test_what_is_sealed_cannot_be_read_as_another_kind() -> None:
    assert sealed("stream-audit/policies", b"x") == b"DSSEv1 21 stream-audit/policies 1 x"
    assert len({sealed("a", b"b 1 c"), sealed("a 1 b", b"c"), sealed("a", b"b"), sealed("b", b"a")}) == 4


def test_a_signature_of_the_right_key_counts_from_its_first_moment_until_its_end() -> None:
    found = {at_ms: why(RING, signed(POLICY), at_ms) for at_ms in (T0 - 1, T0, T0 + 9, T0 + 10)}
    assert (found[T0], found[T0 + 9]) == ("", "")
    assert "counts only from" in found[T0 - 1]
    assert "ended at" in found[T0 + 10]


@pytest.mark.parametrize(
    ("signature", "what"),
    [
        (None, "is not signed"),
        (signed(SECOND), "does not list"),
        (signed(RELAY), "of the role relay; it takes the role policy"),
        (signed(POLICY, MESSAGE + b"."), "false signature"),
        (Signature(POLICY.kid, bytes(64)), "false signature"),
        (Signature(POLICY.kid, (signed(SECOND) or Signature("", b"")).raw), "false signature"),
    ],
)
def test_no_other_signature_counts(signature: Signature | None, what: str) -> None:
    assert what in why(RING, signature)


def test_a_revoked_key_counts_no_more_at_whatever_time() -> None:
    ring = Keyring(version=2, keys=(a_key(), a_key(SECOND)))
    gone = Keyring(version=3, keys=(replace(a_key(), revoked_ms=T0), a_key(SECOND)))
    assert why(ring, signed(POLICY)) == ""
    assert [bool(why(gone, signed(POLICY), at_ms)) for at_ms in (0, T0, T0 + 100)] == [True] * 3
    assert why(gone, signed(SECOND)) == ""


def test_only_a_root_key_signs_keyrings() -> None:
    assert why_not_root(ROOTS, signed(ROOT), MESSAGE) == ""
    assert "no root key is known here" in why_not_root({}, signed(ROOT), MESSAGE)
    assert "is not signed" in why_not_root(ROOTS, None, MESSAGE)
    assert "which is no root key" in why_not_root(ROOTS, signed(OTHER_ROOT), MESSAGE)
    assert "false signature" in why_not_root(ROOTS, signed(ROOT, b""), MESSAGE)


def test_a_keyring_reads_back_as_it_was_written() -> None:
    assert read_keyring(write_keyring(RING)) == RING


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (b"", "is no keyring"),
        (b"\xff", "is no keyring"),
        (b'{"kind":"keyring","version":1,"keys":[],"more":1}', "is no keyring"),
        (b'{"kind":"keyring","version":0,"keys":[]}', "is no keyring"),
        (write_keyring(Keyring(version=1, keys=(a_key(), a_key()))), "is listed twice"),
        (write_keyring(RING).replace(POLICY.kid.encode(), SECOND.kid.encode()), "is not named after its public key"),
        (write_keyring(RING).replace(b'"role":"relay"', b'"role":"root"'), "is no keyring"),
    ],
)
def test_what_is_no_keyring_says_so(value: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_keyring(value)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"1;;",
        b"\xff",
        POLICY.sign(MESSAGE).replace(b"1;", b"2;"),
        POLICY.sign(MESSAGE) + b"=",
        POLICY.sign(MESSAGE).replace(b";", b";;"),
        POLICY.sign(MESSAGE)[:-4],
        b" " + POLICY.sign(MESSAGE),
        b"1" * 200,
    ],
)
def test_a_header_of_another_form_holds_no_signature(header: bytes | None) -> None:
    assert read_signature(header) is None


def test_a_header_that_stands_there_twice_counts_as_none() -> None:
    assert only_header([("a", b"1"), ("b", None)], "a") == b"1"
    assert only_header([("a", b"1"), ("a", b"1")], "a") is None


def test_root_keys_are_read_from_one_text() -> None:
    texts = [b64encode(signer.public).decode() for signer in (ROOT, OTHER_ROOT)]
    assert read_roots(" , ".join(texts)) == {ROOT.kid: ROOT.public, OTHER_ROOT.kid: OTHER_ROOT.public}
    assert read_roots("") == {}
    for wrong in ("x", texts[0][:-4], ",".join(texts * 5)):
        with pytest.raises(ValueError, match=r"32 bytes in base64|at most 8"):
            read_roots(wrong)


def test_a_signer_shows_no_private_byte() -> None:
    signer = Signer(b"\x41" * 32)
    assert "AAAA" not in repr(signer) + str(signer)
    assert not hasattr(signer, "__dict__")
    assert kid_of(read_public(b64encode(signer.public).decode())) == signer.kid
    assert not is_by(b"short", bytes(64), MESSAGE)
