"""`unanswered`: in a block, at least three prompts fell due and none was answered within 90 s.

A prompt is a question, a greeting, a gift or an order. It is answered by a reply, a thanks or a pinned comment of
the host, by speech that shares surprising bigrams with it (Σ idf ≥ 5.4 nats), or by thanks or a welcome of its kind.
Speech that repeats at a loop's lag answers nothing: a recording thanks people too.

Abstains: fewer than three prompts; a break in the block; overload, when more than half of the prompts were beyond
what a pane keeps, because an answer to one that was dropped could not be seen.
Evasion: an LLM that answers. Cost: a set intersection per open prompt and speech segment.
"""

from worker.audit.room import PROMPTS_MAX, Block, Pane, Prompt, Room
from worker.audit.text import bigrams, shared_nats, thanks, welcomes

DUE_MS = 90_000
PROMPTS_MIN = 3
ANSWER_NATS = 5.4
QUESTION, GREETING, GIFT, ORDER = range(4)


def fold(room: Room, pane: Pane, locked: list[bool]) -> None:
    """Fold one pane: new prompts open, answers close them, prompts whose 90 s ran out fall due.

    `locked[i]` says that the pane's i-th speech segment (in time order) repeats at the loop's lag.
    """
    block = room.block
    kept = sorted(pane.prompts, key=lambda p: (p.at_ms, p.rank))
    block.skipped += pane.prompts_seen - len(kept)
    room.prompts.extend(kept)
    del room.prompts[:-PROMPTS_MAX]
    block.replies += len(pane.replies)
    if room.prompts:
        answered = set(room.answered_ranks)
        for at_ms in sorted(pane.replies):
            answered.update(p.rank for p in room.prompts if p.at_ms < at_ms <= p.at_ms + DUE_MS)
        for utterance, repeats in zip(pane.speech, locked, strict=True):
            if not repeats:
                _answer_by_speech(room.prompts, answered, utterance.at_ms, utterance.text)
        _fall_due(room, block, answered, pane.start_ms)


def _answer_by_speech(prompts: list[Prompt], answered: set[int], at_ms: int, text: str) -> None:
    grams = bigrams(text)
    thanked, welcomed = thanks(text), welcomes(text)
    for prompt in prompts:
        if prompt.rank in answered or not prompt.at_ms < at_ms <= prompt.at_ms + DUE_MS:
            continue
        if prompt.kind in (GIFT, ORDER):
            hit = thanked
        else:
            hit = (prompt.kind == GREETING and welcomed) or shared_nats(bigrams(prompt.text), grams) >= ANSWER_NATS
        if hit:
            answered.add(prompt.rank)


def _fall_due(room: Room, block: Block, answered: set[int], pane_start_ms: int) -> None:
    still_open = []
    for prompt in room.prompts:
        if prompt.at_ms + DUE_MS > pane_start_ms + 10_000:
            still_open.append(prompt)
            continue
        block.due += 1
        block.answered += prompt.rank in answered
    room.prompts = still_open
    room.answered_ranks = sorted(p.rank for p in still_open if p.rank in answered)


def value(block: Block) -> float | None:
    """1 when nobody was answered, 0 when somebody was, None when the block cannot tell."""
    if block.due < PROMPTS_MIN or block.paused_ms > 0 or block.skipped > block.due:
        return None
    return 0.0 if block.answered or block.replies else 1.0
