"""Who asked of late, in a few bytes each: what the signal `bots` keeps of a room."""

from msgspec import Struct


class Askers(Struct, gc=False, array_like=True):
    """The latest comments that asked, oldest first.

    Attributes:
        texts: 32 bits of each text's hash, 0 when it is short. viewers: 16 bits of each viewer's.
        seconds: when, modulo 18 h. copies, discounted: a byte each, 0 or 1.
    """

    texts: bytes = b""
    viewers: bytes = b""
    seconds: bytes = b""
    copies: bytes = b""
    discounted: bytes = b""
