"""Puts the words of `words` together: what viewers write and what hosts say, as random as people are.

Lengths follow a corpus of live sales (detection.md §4): comments of about 7 characters, 17 % of them questions;
answers of about 19; speech segments of 30–80.
"""

from random import Random
from typing import NamedTuple

from worker.lab.simulate import words

QUESTION_SHARE = 0.17
GREETING_SHARE = 0.05
SEGMENT_CHARS_MIN = 30
SEGMENT_CHARS_MAX = 80


class Comment(NamedTuple):
    """A comment; `answer` is what a host who cares would say to it, empty when nothing was asked."""

    text: str
    answer: str = ""


class Speaker:
    """Sentences about one kind of goods. Draws from `rng` alone."""

    def __init__(self, rng: Random, goods: words.Goods | None = None) -> None:
        self._rng = rng
        self.goods = goods or rng.choice(words.GOODS)
        self._questions = self.goods.questions + words.GENERIC_QUESTIONS

    def _fill(self, template: str, item: str, number: str, colour: str) -> str:
        if "{" not in template:
            return template
        return template.replace("{item}", item).replace("{n}", number).replace("{colour}", colour)

    def _filled(self, template: str) -> str:
        rng = self._rng
        number = str(rng.randint(2, 19) if rng.random() < 0.7 else rng.randint(20, 199))
        return self._fill(template, rng.choice(self.goods.items), number, rng.choice(words.COLOURS))

    def comment(self) -> Comment:
        """What one viewer writes."""
        draw = self._rng.random()
        if draw < QUESTION_SHARE:
            return self.question()
        if draw < QUESTION_SHARE + GREETING_SHARE:
            return Comment(self._rng.choice(words.GREETINGS), self._rng.choice(words.WELCOMES))
        return Comment(self._filled(self._rng.choice(words.REMARKS)))

    def question(self) -> Comment:
        """A question, and the answer to just this question."""
        rng = self._rng
        asked, answered = rng.choice(self._questions)
        slots = (rng.choice(self.goods.items), str(rng.randint(2, 190)), rng.choice(words.COLOURS))
        return Comment(self._fill(asked, *slots), self._fill(answered, *slots))

    def answer(self, wanted: str) -> str:
        """`wanted` as a host says it in passing: sometimes with a lead-in, always the substance."""
        lead = self._rng.choice(("", "", "刚才问的那位，", "这位姐，", "我看到了，", "公屏上有人问，"))
        return lead + wanted

    def talk(self, special: tuple[str, ...] = (), special_share: float = 0.0) -> str:
        """One segment of free talk: clauses of praise, chatter and selling, 30–80 characters.

        With probability `special_share` one clause comes from `special`.
        """
        rng = self._rng
        clauses = [self._filled(rng.choice(special))] if special and rng.random() < special_share else []
        if rng.random() < 0.6:
            clauses.append(self._filled(rng.choice(words.OPENERS)))
        length = sum(map(len, clauses))
        target = rng.randint(SEGMENT_CHARS_MIN, SEGMENT_CHARS_MAX - 20)
        while length < target:
            kind = rng.random()
            pool = self.goods.praise if kind < 0.55 else words.CHATTER if kind < 0.8 else words.CALLS
            clause = self._filled(rng.choice(pool))
            if clause not in clauses:
                clauses.append(clause)
                length += len(clause) + 1
        return "，".join(clauses)[:SEGMENT_CHARS_MAX]

    def thanks(self) -> str:
        """Thanks for a gift."""
        return self._rng.choice(words.THANKS)

    def misheard(self, text: str, share: float = 0.02) -> str:
        """`text` as speech recognition hears the same sound a second time: a few characters differ."""
        rng = self._rng
        return "".join(rng.choice("的了是在有和就不人都") if rng.random() < share else c for c in text)
