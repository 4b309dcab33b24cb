"""Seeded damage to bytes: what disks, cuts, bugs and people who mean harm do to a file or a record."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

SCRAPS = (
    b"", b"\x00", b"\xff", b"\xed\xa0\x80", b'"', b"'", b"{", b"[", b"]", b"}", b"<", b"</i>", b"<!ENTITY x 'y'>",
    b"&x;", b"]]>", b"-->", b"\n\n", b"\r", b"\xef\xbb\xbf", b"NaN", b"-1", b"1e999", b"9" * 400, b"null", b"1", b",",
    b"00:99:99,999 --> 00:00:00,000", b"\xe2\x80\xae", b"%s", b"\\u0000", b"\\ud800",
)  # fmt: skip


def mutated(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """`data` with one to four wounds: flipped bits, lost, doubled or moved stretches, scraps, pieces of `others`."""
    wounded = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        size = len(wounded)
        at, to = sorted((rng.randrange(size + 1), rng.randrange(size + 1)))
        how = rng.randrange(7)
        if how == 0 and size:
            wounded[rng.randrange(size)] ^= 1 << rng.randrange(8)
        elif how == 1:
            del wounded[at:]
        elif how == 2:
            del wounded[at : min(to, at + 40)]
        elif how == 3:
            wounded[at:at] = wounded[at : min(to, at + 200)]
        elif how == 4:
            wounded[at:at] = rng.choice(SCRAPS)
        elif how == 5:
            wounded[at : at + 8] = rng.randbytes(rng.randrange(9))
        elif others:
            other = rng.choice(others)
            first = rng.randrange(len(other) + 1)
            wounded[at:at] = other[first : first + 200]
    return bytes(wounded)
