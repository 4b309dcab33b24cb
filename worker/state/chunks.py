"""Chunks of speech rings while a changelog is read: a flush that was torn must not take the place of the one before."""

VERSIONS_MAX = 8
"""Of a chunk whose core has not come: one for each flush that was torn before it."""


class Versions(dict[int, bytes]):
    """A chunk by the source offset of the flush that wrote it.

    A flush writes chunks before the core that counts on them. Where it ended in between, the chunk may be of the next
    session, and the core of the last: so the version before is kept until a core comes that does without.
    `core_offset` is the source offset of the room's newest core, -1 before the first.
    """

    def hold(self, offset: int, data: bytes, core_offset: int) -> None:
        """A version was read."""
        self[offset] = data
        self.drop_older(core_offset)
        if len(self) > VERSIONS_MAX:
            del self[sorted(self)[1]]

    def drop_older(self, core_offset: int) -> None:
        """Forgets what is older than the version that the core counts on."""
        newest = max((at for at in self if at <= core_offset), default=-1)
        for at in [at for at in self if at < newest]:
            del self[at]

    def as_of(self, core_offset: int) -> bytes:
        """The version that the core counts on; a newer one where compaction has left no other."""
        return self[max((at for at in self if at <= core_offset), default=min(self))]
