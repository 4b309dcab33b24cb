"""`unanswered`: in a block, at least three prompts fell due and none was answered within 90 s.

A prompt is a question, a greeting, a gift or an order. It is answered by a reply, a thanks or a pinned comment of
the host, or by speech: words that share surprising bigrams with it (Σ idf ≥ 7.5 nats), thanks, a welcome. Only words
count that the host had not been saying anyway (`audit.said`): a recording, too, talks of the product that viewers ask
about, and thanks people all the time. Speech that fits a prompt but is nothing new says nothing about it: that prompt
is struck, neither answered nor due. Speech that repeats at a loop's lag answers nothing.

Two clocks that agree may differ by 20 s (`audit.clocks`). So speech may answer a prompt from 20 s before it until 20 s
after its time. It is folded 20 s later than it was said, when all prompts that it may answer are known.

Abstains: fewer than three prompts left; a break in the block; overload, when more than half of the prompts were beyond
what a pane keeps, because an answer to one that was dropped could not be seen; clocks that disagree (`audit.clocks`),
which also voids the prompts that still wait; no speech after a prompt's time, which does not fall due then, because
speech may have been lost; a block in which
nothing of the host was heard or seen, because speech recognition fails, or no one listens to this room (who says
nothing may be idle instead).
Evasion: an LLM that answers. Cost: a set intersection per open prompt and speech segment.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from worker.audit import breaks
from worker.audit.askers import Askers
from worker.audit.breaks import DUE_MS
from worker.audit.calibration import BIGRAM_IDF_DEFAULT_NATS, BIGRAM_IDF_NATS
from worker.audit.clocks import BAND_MS
from worker.audit.excerpts import quote
from worker.audit.excited import Asked, Excitation
from worker.audit.numbers import total, whole
from worker.audit.room import (
    BLOCK_MS,
    PANE_MS,
    PROMPTS_MAX,
    Pane,
    Prompt,
    Room,
    Utterance,
)
from worker.audit.said import Said, new_said, note, unsaid
from worker.audit.signals import bots, cadence, excitation, latency
from worker.audit.text import Words, bigrams, thanks, welcomes

PROMPTS_MIN = 3
OVER_MS = DUE_MS + BAND_MS
"""After so long a prompt's time is over, by whichever clock."""
SETTLED_MS = OVER_MS + BAND_MS
"""After so long all speech that may answer a prompt has been folded, and it falls due."""
QUOTED = 2
ANSWER_NATS = 7.5  # two rare bigrams: one alone is shared by chance in half of a recording's blocks (synthetic)
ANSWER_BIGRAMS_MIN = 2  # fewer cannot reach it
QUESTION, GREETING, GIFT, ORDER = range(4)
THANKED = (GIFT, ORDER)
_NOTHING: frozenset[str] = frozenset()


def fold(room: Room, pane: Pane, speech: list[Utterance], spoken: list[Words], locked: list[bool]) -> None:
    """Fold one pane: new prompts open, answers close them, prompts whose 90 s ran out fall due.

    `spoken[i]` are the words of the pane's i-th speech segment (in time order), `locked[i]` says that it repeats at
    the loop's lag.
    """
    block = room.session.block
    kept = sorted(pane.prompts, key=_in_time)
    if kept and breaks.any_in(room.session):
        kept = [prompt for prompt in kept if not breaks.covers(room.session, prompt.at_ms)]
    real = _drop_bots(room, kept)
    excitation.remember(room, pane, real)
    excited = room.session.excitation
    if kept:
        block.skipped += pane.prompts_seen - len(pane.prompts)
        block.discounted += len(kept) - len(real)
        room.session.prompts = (*room.session.prompts, *real)[-PROMPTS_MAX:]
    block.replies += len(pane.replies)
    block.spoken += len(speech)
    past = excitation.asked(excited) if excited is not None and (pane.replies or speech) else []
    for at_ms in sorted(pane.replies):
        if room.session.prompts:
            _answer(room, at_ms, _any)
        if excited is not None:
            excitation.note_reply(excited, past, at_ms)
    if pane.named and room.session.prompts:
        _name(room, pane, past)
    for utterance, words, repeats in zip(speech, spoken, locked, strict=True):
        said = room.session.said
        if said is None:
            said = room.session.said = new_said()
        if excited is not None:
            excited.onsets += 1
        if not repeats and (room.session.prompts or excited is not None):
            heard = _hear(utterance, words)
            if room.session.prompts:
                _answer(room, heard.at_ms, partial(_is_answered_by, said, heard), BAND_MS)
            if excited is not None:
                _excite(room, excited, past, said, heard)
        note(said, words)
    if room.session.prompts:
        fall_due(room, pane.start_ms + PANE_MS)


def _in_time(prompt: Prompt) -> tuple[int, int]:
    return prompt.at_ms, prompt.rank


def _drop_bots(room: Room, prompts: list[Prompt]) -> list[Prompt]:
    """Return the prompts that `bots` does not discount; gifts and orders cost money and always count."""
    real = []
    for prompt in prompts:
        if prompt.kind in THANKED:
            real.append(prompt)
            continue
        if room.session.askers is None:
            room.session.askers = Askers()
        if bots.take(room.session.askers, prompt.viewer, prompt.at_ms, prompt.text):
            real = [other for other in real if other.text != prompt.text]
            room.session.prompts = tuple(other for other in room.session.prompts if other.text != prompt.text)
        else:
            real.append(prompt)
    return real


def _answer(room: Room, at_ms: int, answers: Callable[[Prompt], bool | None], band_ms: int = 0) -> None:
    """What the host says or does at `at_ms` meets the prompts that wait: True answers one, False strikes it.

    `band_ms`: by how much its clock may differ from that of the prompts.

    A block asks only whether anyone was answered, so one answered prompt per block in which it falls due is enough, if
    no break voids it: `room.session.answered_due_ms` holds the due times of those found.
    """
    session = room.session
    blocks = {_block_of(room, at) for at in session.answered_due_ms if not breaks.voids(session, at - SETTLED_MS)}
    struck = []
    for prompt in session.prompts:
        due_ms = prompt.at_ms + SETTLED_MS
        waited = -band_ms < at_ms - prompt.at_ms <= DUE_MS + band_ms
        if not waited or (block := _block_of(room, due_ms)) in blocks:
            continue
        answered = answers(prompt)
        if answered:
            session.answered_due_ms = (*session.answered_due_ms, due_ms)
            if not breaks.voids(session, prompt.at_ms):
                blocks.add(block)
        elif answered is False:
            struck.append(prompt)
    if struck:
        session.prompts = tuple(prompt for prompt in session.prompts if prompt not in struck)


def _block_of(room: Room, due_ms: int) -> int:
    """The number of the block in which a prompt falls due, counted from the open one."""
    return (due_ms - room.session.block_start_ms) // BLOCK_MS


def _any(_: Prompt) -> bool:
    """A reply, a thanks or a pinned comment answers everyone who waits."""
    return True


def _name(room: Room, pane: Pane, past: list[Asked]) -> None:
    """Replies that name the comment they answer."""
    for at_ms, comment in sorted(pane.named):
        for prompt in room.session.prompts:
            if prompt.comment == comment and prompt.at_ms < at_ms:
                load = whole(not shift for shift, _ in excitation.waiting(past, at_ms))
                latency.note_answer(room, prompt.at_ms, at_ms, load)


class Heard(NamedTuple):
    """One utterance: when, its bigrams, and those of the words by which it thanks and welcomes."""

    began_ms: int
    at_ms: int
    grams: frozenset[str]
    thanked: frozenset[str]
    welcomed: frozenset[str]


def _hear(utterance: Utterance, words: Words) -> Heard:
    text = utterance.text
    return Heard(
        cadence.began_ms(utterance), utterance.at_ms, words.grams, bigrams(thanks(text)), bigrams(welcomes(text))
    )


def _fit(prompt: Prompt | Asked, heard: Heard) -> tuple[frozenset[str], float]:
    """The bigrams by which an utterance fits a prompt, none when it does not, and the nats they need to answer it."""
    if prompt.kind in THANKED:
        return heard.thanked, 0.0
    if prompt.kind == GREETING and heard.welcomed:
        return heard.welcomed, 0.0
    asked = bigrams(prompt.text)
    if asked.isdisjoint(heard.grams):  # as a rule; makes no set
        return _NOTHING, ANSWER_NATS
    fits = asked & heard.grams
    if len(fits) < ANSWER_BIGRAMS_MIN or _nats(fits) < ANSWER_NATS:
        return _NOTHING, ANSWER_NATS
    return fits, ANSWER_NATS


def _is_news(said: Said, fits: frozenset[str], enough_nats: float) -> bool:
    """Whether the words that fit, those left that the host had not been saying, are enough."""
    news = unsaid(said, fits)
    return bool(news) and _nats(news) >= enough_nats


def _is_answered_by(said: Said, heard: Heard, prompt: Prompt) -> bool | None:
    """Whether an utterance that fits a prompt does so with words that are new; None when it does not fit."""
    fits, enough_nats = _fit(prompt, heard)
    return _is_news(said, fits, enough_nats) if fits else None


def _excite(room: Room, state: Excitation, past: list[Asked], said: Said, heard: Heard) -> None:
    """What `excitation` and `latency` make of an utterance: the prompts, of now and of minutes ago, that it fits with
    news."""
    for shift, prompt in excitation.waiting(past, heard.at_ms, BAND_MS):
        fits, enough_nats = _fit(prompt, heard)
        if fits and _is_news(said, fits, enough_nats):
            excitation.excite(state, heard.at_ms, shift, prompt)
            if not shift and prompt.kind == QUESTION:
                load = whole(not other for other, _ in excitation.waiting(past, heard.at_ms))
                latency.note_answer(room, prompt.at_ms, heard.began_ms, load)


def _nats(grams: frozenset[str]) -> float:
    nats = [BIGRAM_IDF_NATS.get(gram, BIGRAM_IDF_DEFAULT_NATS) for gram in grams]
    return total(sorted(nats))  # a set has no order of its own


def fall_due(room: Room, now_ms: int) -> None:
    """Prompts that are settled before `now_ms` (half-open, as panes and blocks) count in the open block, but for those
    that a break has voided. That is asked here, not when a break is heard of, so that the order of arrival does not
    matter."""
    session, prompts, found = room.session, room.session.prompts, room.session.answered_due_ms
    block, due = session.block, 0
    while due < len(prompts) and prompts[due].at_ms + SETTLED_MS < now_ms:  # in time order
        due += 1
    if due:
        counted = [prompt for prompt in prompts[:due] if not breaks.voids(session, prompt.at_ms)]
        block.due += len(counted)
        over_ms = (prompt.at_ms + OVER_MS for prompt in counted)
        block.unheard_ms = (*block.unheard_ms, *(at_ms for at_ms in over_ms if at_ms >= session.last_speech_ms))
        questions = (prompt for prompt in counted if prompt.kind == QUESTION)
        block.questions = (*block.questions, *questions)[-QUOTED:]
        session.prompts = prompts[due:]
        answered = [due_ms for due_ms in found if due_ms < now_ms]
        if answered:
            block.answered += whole(not breaks.voids(session, due_ms - SETTLED_MS) for due_ms in answered)
            session.answered_due_ms = tuple(due_ms for due_ms in found if due_ms >= now_ms)


def drop_unheard(room: Room) -> None:
    """The block closes: a prompt behind which no speech was heard is not due, since speech may have been lost. Where
    clocks disagreed, neither are those that still wait: what answered them may have been lost with the block."""
    session, block = room.session, room.session.block
    block.due -= whole(at_ms >= session.last_speech_ms for at_ms in block.unheard_ms)
    if block.unclear:
        session.prompts, session.answered_due_ms = (), ()


def quote_questions(room: Room) -> None:
    """Show what nobody answered in this block."""
    for prompt in room.session.block.questions:
        quote(room, prompt.at_ms, "unanswered_question", prompt.text, prompt.offset)


def value(room: Room) -> float | None:
    """1 when nobody was answered, 0 when somebody was, None when the block cannot tell."""
    block = room.session.block
    if block.due < PROMPTS_MIN or block.paused_ms > 0 or block.unclear or block.skipped > block.due + block.discounted:
        return None
    if not block.spoken and not block.replies:
        return None
    return 0.0 if block.answered or block.replies else 1.0
