"""How many events of each kind a session had."""

from msgspec import Struct


class Counts(Struct, gc=False, array_like=True):
    """Totals of the session, for summaries."""

    joined: int = 0
    left: int = 0
    liked: int = 0
    followed: int = 0
    shared: int = 0
    comments: int = 0
    gifts: int = 0
    orders: int = 0
    speech: int = 0
    replies: int = 0
    actions: int = 0
    markers: int = 0
    prompts: int = 0
    answered: int = 0
    late: int = 0
