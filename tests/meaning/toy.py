"""Levels for tests of the oracle alone: a small, plain model of what statistics say. The real ones are the core's.

A block in which at least three questions fell due and none was answered is one step of NONINT. A look that finds AI
while the label was off for certain is one of UNLABELLED. Looks that find AI are steps of AI.
"""

from collections.abc import Mapping

from tests.meaning.log import Entry
from tests.meaning.oracle import Look, Measured
from tests.meaning.rules import LEVELS
from tests.meaning.windows import BAND_MS, Block

DUE_MS = 90_000


def unanswered(look: Look, block: Block) -> bool:
    """Whether a closed block counts against its host."""
    if "unanswered" in block.abstain:
        return False
    known = [b for b in look.blocks if b.number <= block.number]
    void = {b.number for b in known if b.abstain}
    said = [x for b in known for x in b.events if x.type == "host.speech"]
    asked = [
        (x, b)
        for b in known
        for x in b.events
        if x.type == "viewer.comment" and block.start <= due(x) < block.end and due(x) <= block.heard
    ]
    fell_due = [x for x, b in asked if b.number not in void]
    return len(fell_due) >= 3 and not any(answers(s, x) for s in said for x in fell_due)


def due(x: Entry) -> int:
    """When a question's time is over, with the width of the band that skews may hide in."""
    return x.tells + DUE_MS + BAND_MS


def answers(said: Entry, asked: Entry) -> bool:
    """Whether speech answers a question, from a band before it to a band after its time."""
    meant = str(said.event["text"]) == f"@{asked.event['comment_id']}"
    return meant and asked.tells - BAND_MS <= said.tells <= due(asked)


def bare(look: Look, x: Entry) -> bool:
    """Whether the label was off, for certain, all the time from what a detector saw to its record."""
    return any(a <= x.tells and x.append <= b for a, b in look.off)


def levels(look: Look) -> Measured:
    """What the toy's statistics say."""
    steps = sum(unanswered(look, block) for block in look.blocks)
    seen = [x for b in look.blocks for x in b.events if x.type == "detector.score" and x.event["score"] > 0.95]
    unlabelled = sum(bare(look, x) for x in seen)
    found: Mapping[str, int] = {
        "NONINT": min(steps, LEVELS["LABEL"]),
        "AI": min(len(seen) // 8, LEVELS["LABEL"]),
        "UNLABELLED": min(unlabelled // 6, LEVELS["LIMIT"]),
    }
    return Measured(levels=found)
