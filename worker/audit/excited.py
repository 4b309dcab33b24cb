"""What a room keeps of prompts that may excite its host (`signals.excitation`)."""

from msgspec import Struct

from worker.audit import packed

FOREVER_MS = 1 << 62


class Asked(Struct, frozen=True, gc=False, array_like=True):
    """Of a prompt, what `signals.excitation` compares."""

    at_ms: int
    kind: int
    text: str


class Excitation(Struct, gc=False, array_like=True):
    """What `signals.excitation` keeps: prompts of the last minutes, and sums under each shift of time."""

    past: bytes = packed.EMPTY  # a msgpack array of Asked, by time
    oldest_ms: int = FOREVER_MS  # of them
    halves: tuple[int, ...] = (0, 0, 0, 0)  # prompts per half of the last block and this one
    onsets: int = 0  # of this block
    sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    end_ms: int = 0  # of the last block, when it had no break
    window_blocks: int = 0
    window_onsets: int = 0
    window_sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    window_prompts: tuple[int, ...] = (0, 0, 0)
