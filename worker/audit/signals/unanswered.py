"""`unanswered`: in a block, at least three prompts fell due and none was answered within 90 s.

A prompt is a question, a greeting, a gift or an order. It is answered by a reply, a thanks or a pinned comment of
the host, by speech that shares surprising bigrams with it (Σ idf ≥ 5.4 nats), or by thanks or a welcome of its kind.
Speech that repeats at a loop's lag answers nothing: a recording thanks people too.

Abstains: fewer than three prompts; a break in the block; overload, when more than half of the prompts were beyond
what a pane keeps, because an answer to one that was dropped could not be seen; a session in which no word and no answer
of the host was ever heard or seen, because then nobody listens to this room (pinning products proves no listening).
Evasion: an LLM that answers. Cost: a set intersection per open prompt and speech segment.
"""

from worker.audit.room import BLOCK_MS, PANE_MS, PROMPTS_MAX, Pane, Prompt, Room
from worker.audit.text import bigrams, shared_nats, thanks, welcomes

DUE_MS = 90_000
PROMPTS_MIN = 3
ANSWER_NATS = 5.4
QUESTION, GREETING, GIFT, ORDER = range(4)
THANKED = (GIFT, ORDER)


def fold(room: Room, pane: Pane, locked: list[bool]) -> None:
    """Fold one pane: new prompts open, answers close them, prompts whose 90 s ran out fall due.

    `locked[i]` says that the pane's i-th speech segment (in time order) repeats at the loop's lag.
    """
    block = room.block
    kept = pane.prompts
    if kept:
        kept.sort(key=_in_time)
        block.skipped += pane.prompts_seen - len(kept)
        room.prompts += kept
        del room.prompts[:-PROMPTS_MAX]
    block.replies += len(pane.replies)
    if not room.prompts:
        return
    for at_ms in pane.replies:
        _answer(room, at_ms, None)
    for utterance, repeats in zip(pane.speech, locked, strict=True):
        if not repeats:
            _answer(room, utterance.at_ms, utterance.text)
    fall_due(room, pane.start_ms + PANE_MS)


def _in_time(prompt: Prompt) -> tuple[int, int]:
    return prompt.at_ms, prompt.rank


def _answer(room: Room, at_ms: int, text: str | None) -> None:
    """Mark what a reply (`text` None) or an utterance answers.

    A block asks only whether anybody was answered, so one answered prompt per block in which it falls due is enough:
    `room.answered_due_ms` holds the due times of those found.
    """
    found = room.answered_due_ms
    enough = {due_ms // BLOCK_MS for due_ms in found}
    grams: frozenset[str] | None = None
    for prompt in room.prompts:
        due_ms = prompt.at_ms + DUE_MS
        if not prompt.at_ms < at_ms <= due_ms or due_ms // BLOCK_MS in enough:
            continue
        if text is not None:
            if grams is None:
                grams = bigrams(text)
            if not _is_answer(prompt, text, grams):
                continue
        found.append(due_ms)
        enough.add(due_ms // BLOCK_MS)


def _is_answer(prompt: Prompt, text: str, grams: frozenset[str]) -> bool:
    if prompt.kind in THANKED:
        return thanks(text)
    if prompt.kind == GREETING and welcomes(text):
        return True
    return shared_nats(bigrams(prompt.text), grams) >= ANSWER_NATS


def fall_due(room: Room, now_ms: int) -> None:
    """Prompts whose 90 s ran out before `now_ms` (half-open, as panes and blocks) count in the open block."""
    block, prompts, found = room.block, room.prompts, room.answered_due_ms
    due = 0
    while due < len(prompts) and prompts[due].at_ms + DUE_MS < now_ms:  # in time order
        due += 1
    if due:
        block.due += due
        del prompts[:due]
        answered = sum(1 for due_ms in found if due_ms < now_ms)
        if answered:
            block.answered += answered
            room.answered_due_ms = [due_ms for due_ms in found if due_ms >= now_ms]


def void_open(room: Room, break_ms: int) -> None:
    """A break begins at `break_ms`: who still waits then is not counted; what was due before stays."""
    room.prompts = [prompt for prompt in room.prompts if prompt.at_ms + DUE_MS < break_ms]
    room.answered_due_ms = [due_ms for due_ms in room.answered_due_ms if due_ms < break_ms]
    for pane in room.panes.values():  # open panes are younger than a prompt's time
        pane.prompts.clear()
        pane.prompts_seen = 0


def meets_break(room: Room, at_ms: int) -> bool:
    """Whether a prompt of `at_ms` that arrives now would have waited through a break."""
    return any(start <= at_ms + DUE_MS and at_ms < end for start, end in room.breaks)


def value(room: Room) -> float | None:
    """1 when nobody was answered, 0 when somebody was, None when the block cannot tell."""
    block = room.block
    if block.due < PROMPTS_MIN or block.paused_ms > 0 or block.skipped > block.due:
        return None
    if not room.last_speech_ms and not room.last_reply_ms:
        return None
    return 0.0 if block.answered or block.replies else 1.0
