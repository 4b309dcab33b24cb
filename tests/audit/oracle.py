"""The evidence of one session, computed slowly and obviously: everything is kept, sorted by event time, and counted.

Written from the documentation (the docstrings of `worker.audit.signals`, `worker.audit.evidence`), not
from the code; shares no function with it but word lists and calibration tables.

    oracle = Oracle(log)             # a list of events in log order, none late, duplicate or out of session
    oracle.log_e()                   # {"NONINT": ln M, …} as of the last event's watermark
    oracle.blocks                    # per closed block: what was due, answered, looked at
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import exp
from typing import Any

from xxhash import xxh3_64_intdigest

from tests.audit.bet import Bet
from tests.audit.build import T0
from tests.audit.likeness import bit, fit, grams_of, modal_of, nats, near, simhash
from worker.audit import events as e
from worker.audit.calibration import RANKS
from worker.audit.tables import HUMAN_SCORES
from worker.audit.text import is_greeting, is_question

LATENESS, PANE, BLOCK, DUE = 60_000, 10_000, 300_000, 90_000
BAND = 20_000  # by which clocks may differ
OVER, SETTLED = DUE + BAND, DUE + 2 * BAND  # speech may answer; all that may has been folded
VISUAL = ("face", "lip_sync", "motion")
GRID = [(0.8, 0.0), (0.0, 0.8), (0.4, 0.4), (0.2, 0.2)]
SINGLE = [(0.9,), (0.5,)]


def _number(at_ms: int, length_ms: int) -> int:
    """Which pane or block of the room an event time falls into, counted from T0, where one of each begins."""
    return (at_ms - T0) // length_ms


def _floor(at_ms: int, length_ms: int) -> int:
    return T0 + _number(at_ms, length_ms) * length_ms


@dataclass
class BlockSeen:
    """What one block was found to hold."""

    start_ms: int
    due: int = 0
    answered: int = 0
    skipped: int = 0
    replies: int = 0
    paused_ms: int = 0
    unanswered: float | None = None
    excitation: float | None = None
    voice: float | None = None
    visual: float | None = None
    labelled_ms: int = 0
    locked: set[str] = field(default_factory=set)


class Oracle:
    """See the module."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events
        self.by_pane: dict[int, list[Any]] = {}
        for event in events:
            self.by_pane.setdefault(_number(event.at_ms, PANE), []).append(event)
        self.start = events[0].at_ms
        self.watermark = max(x.at_ms for x in events) - LATENESS
        self.breaks = _spans(events)
        self.play = Bet(self.start, (0.5,), SINGLE, False)
        self.play_long = Bet(self.start, (0.5,), SINGLE, False)
        self.locked_ids: set[str] = set()
        self._play()
        self.challenge = Bet(self.start, (0.05,), SINGLE, False)
        self._challenges()
        self.nonint = Bet(self.start, (0.6, 0.4), GRID, True)
        self.ai = Bet(self.start, (0.25, 0.25), GRID, True)
        self.unlabelled = Bet(self.start, (0.25, 0.25), GRID, True)
        self.blocks: list[BlockSeen] = []
        self.prompts = self._prompts()
        self.answered: list[Any] = []
        self.struck: list[Any] = []
        self.fresh: dict[str, set[str]] = {}  # by segment: what the host had not been saying
        self._dialogue()
        self.window: list[BlockSeen] = []
        start = _floor(self.start, BLOCK)
        while start + BLOCK <= self.watermark:
            self._block(start)
            start += BLOCK

    def log_e(self) -> dict[str, float]:
        """ln M of each family that has bet."""
        all_of = {"NONINT": self.nonint, "AI": self.ai, "UNLABELLED": self.unlabelled, "PLAY": self.play,
                  "PLAY_LONG": self.play_long, "CHALLENGE": self.challenge}  # fmt: skip
        return {name: bet.log_e() for name, bet in all_of.items() if bet.begun}

    # --- windows ---

    def of(self, kind: Any, start: int, end: int) -> list[Any]:
        """Events of a kind with event time in [start, end)."""
        near = [
            x for pane in range(_number(start, PANE), _number(end - 1, PANE) + 1) for x in self.by_pane.get(pane, [])
        ]
        return [x for x in near if isinstance(x, kind) and start <= x.at_ms < end]

    def panes(self) -> list[int]:
        """Starts of closed panes that hold anything statistical."""
        kinds = e.ViewerComment | e.ViewerGift | e.ViewerOrder | e.HostSpeech | e.HostReply | e.HostAction
        found = set()
        for x in self.events:
            if isinstance(x, kinds | e.DetectorScore | e.ChallengeIssued | e.ChallengeResult):
                start = _floor(_folds_ms(x), PANE)
                if start + PANE <= self.watermark:
                    found.add(start)
        return sorted(found)

    def spoken(self, start: int) -> list[Any]:
        """The eight segments of a pane that are kept, by time: it folds what was said 20 s before."""
        kept = sorted(self.of(e.HostSpeech, start - BAND, start - BAND + PANE), key=_rank)[:8]
        return sorted(kept, key=lambda x: (x.at_ms, _rank(x)))

    # --- unanswered ---

    def _prompts(self) -> list[tuple[int, str, str, str]]:
        """(at, kind, text, id) of prompts that are kept, and how many were skipped by pane."""
        self.skipped: dict[int, int] = {}
        kept = []
        by_pane: dict[int, list[tuple[Any, str]]] = {}
        for x in self.events:
            kind = _prompt_kind(x)
            pane = _floor(x.at_ms, PANE)
            if kind and not any(x.at_ms < end and pane + PANE > s - LATENESS for s, end in self.breaks):
                by_pane.setdefault(pane, []).append((x, kind))  # a break empties the panes that are open when it begins
        for pane, found in by_pane.items():
            found.sort(key=lambda pair: _rank(pair[0]))
            kept += [(x.at_ms, kind, getattr(x, "text", "")[:32], x.id) for x, kind in found[:4]]
            self.skipped[pane] = max(0, len(found) - 4)
        self.asked = sorted(kept)  # also those that a break freed before they fell due
        return sorted(p for p in kept if not any(s <= p[0] + DUE and p[0] < end for s, end in self.breaks))

    def _block(self, start: int) -> None:
        end = start + BLOCK
        block = BlockSeen(start)
        self.blocks.append(block)
        mine = [p for p in self.prompts if start <= p[0] + SETTLED < end and p not in self.struck]
        heard = self._heard_until(end)
        block.due = sum(p[0] + OVER < heard for p in mine)
        block.answered = sum(p in self.answered for p in mine)
        block.skipped = sum(n for pane, n in self.skipped.items() if start <= pane < end)
        block.replies = sum(map(_is_reply, self.of(object, start, end)))
        block.paused_ms = sum(max(0, min(b, end) - max(a, start)) for a, b in self.breaks)
        block.labelled_ms = self._labelled(start, end)
        if block.due >= 3 and not block.paused_ms and block.skipped <= block.due and self._heard(start, end):
            block.unanswered = 0.0 if block.answered or block.replies else 1.0
        block.voice, block.visual = self._looks(("voice",), start), self._looks(VISUAL, start)
        block.excitation = self._excitation(block)
        self.nonint.step(end, (block.unanswered, block.excitation))
        self.ai.step(end, (block.voice, block.visual))
        hidden = block.labelled_ms < BLOCK / 2
        self.unlabelled.step(end, (block.voice, block.visual) if hidden else (None, None))

    def _heard_until(self, end: int) -> int:
        """The newest speech that has come when the block that ends at `end` closes."""
        closes = next(i for i, x in enumerate(self.events) if x.at_ms >= end + LATENESS)
        return max((x.at_ms for x in self.events[:closes] if isinstance(x, e.HostSpeech)), default=0)

    def _heard(self, start: int, end: int) -> bool:
        """Whether the host spoke or replied in a block."""
        return bool(self.of(e.HostSpeech, start - BAND, end - BAND)) or any(map(_is_reply, self.of(object, start, end)))

    def _dialogue(self) -> None:
        """Who was answered, who was struck, pane by pane: replies first, then what was said, then who falls due.

        One answered prompt a block is enough: while it waits, no other of its block is looked at.
        """
        said: list[set[str]] = []  # the bigrams of every utterance
        waiting: list[tuple[int, str, str, str]] = []
        for pane in self.panes():
            waiting += [p for p in self.prompts if pane <= p[0] < pane + PANE]
            for x in sorted(filter(_is_reply, self.of(object, pane, pane + PANE)), key=lambda x: x.at_ms)[:8]:
                self._note_answers(waiting, x.at_ms, None, set())
            for x in self.spoken(pane):
                first = max(0, ((len(said) - 1) // 12 - 1) * 12)  # this dozen and the one before
                known = {bit(gram) for grams in said[first:] for gram in grams}
                self.fresh[x.id] = {gram for gram in grams_of(x.text) if bit(gram) not in known}
                if x.id not in self.locked_ids:
                    self._note_answers(waiting, x.at_ms, x.text, known)
                said.append(grams_of(x.text))
            waiting = [p for p in waiting if p[0] + SETTLED >= pane + PANE and p not in self.struck]

    def _note_answers(self, waiting: list[Any], at_ms: int, text: str | None, known: set[int]) -> None:
        for prompt in waiting:
            due, band = prompt[0] + SETTLED, 0 if text is None else BAND
            same = [p for p in waiting if p in self.answered and _number(p[0] + SETTLED, BLOCK) == _number(due, BLOCK)]
            if prompt in self.struck or same or not -band < at_ms - prompt[0] <= DUE + band:
                continue
            fits = None if text is None else fit(prompt, text)
            if fits is None or (fits and nats({g for g in fits if bit(g) not in known}) >= min(7.5, nats(fits))):
                self.answered.append(prompt)
            elif fits:
                self.struck.append(prompt)

    # --- excitation ---

    def _excitation(self, block: BlockSeen) -> float | None:
        """Prompts now, 2½ and 5 minutes ago that the host fits, per prompt; windows of one to three blocks."""
        start = block.start_ms
        before = [b for b in self.blocks if b.start_ms == start - BLOCK]
        prompted = any(p[0] < start for p in self.asked)
        broken = block.paused_ms or not before or before[0].paused_ms or not prompted
        crowded = sum(start - BLOCK <= p[0] < start + BLOCK for p in self.asked) > 64
        if broken or crowded or block.skipped > block.due / 4:
            self.window = []
            return None
        self.window.append(block)
        onsets, scores, prompts = 0, [0.0, 0.0, 0.0], [0, 0, 0]
        for seen in self.window:
            a, b = seen.start_ms, seen.start_ms + BLOCK
            heard = [x for pane in range(a, b, PANE) for x in self.spoken(pane)]
            for pane in range(a, b, PANE):
                heard += sorted(filter(_is_reply, self.of(object, pane, pane + PANE)), key=lambda x: x.at_ms)[:8]
            onsets += len(heard)
            for k, delay in enumerate((0, 150_000, 300_000)):
                prompts[k] += sum(a <= p[0] + delay < b for p in self.asked)
                scores[k] += sum(
                    exp(-max(0, x.at_ms - delay - p[0]) / 20_000)
                    for x in heard
                    for p in self.asked
                    if _may_answer(x, x.at_ms - delay - p[0]) and self._follows(x, p)
                )
        if onsets >= 10 and min(prompts) >= 10:
            self.window = []
            now, *placebo = (score / n for score, n in zip(scores, prompts, strict=True))
            return 1.0 if now <= max(placebo) else 0.0
        if len(self.window) == 3:
            self.window = []
        return None

    def _follows(self, x: Any, prompt: tuple[int, str, str, str]) -> bool:
        """Whether what the host did fits a prompt: a reply any; speech with words that are new."""
        folded = _floor(_folds_ms(x), PANE) + PANE + LATENESS  # a break that begins before frees who waits then
        if any(s < folded and s <= prompt[0] + DUE and prompt[0] < end for s, end in self.breaks):
            return False
        if _is_reply(x):
            return True
        if x.id in self.locked_ids:
            return False
        fits = fit(prompt, x.text)
        return bool(fits) and nats(fits & self.fresh[x.id]) >= min(7.5, nats(fits))

    def _labelled(self, start: int, end: int) -> int:
        """Milliseconds with a visible label, counted one state after the other."""
        total, since = 0, None
        states = sorted((x.at_ms, x.visible) for x in self.events if isinstance(x, e.LabelState))
        for at, visible in states:
            if visible and since is None:
                since = at
            elif not visible and since is not None:
                total += max(0, min(at, end) - max(since, start))
                since = None
        return total + (max(0, end - max(since, start)) if since is not None else 0)

    # --- looks ---

    def _looks(self, modalities: tuple[str, ...], start: int) -> float | None:
        means = []
        for pane in range(start, start + BLOCK, PANE):
            above = {}
            looks = [x for x in self.of(e.DetectorScore, pane, pane + PANE) if x.modality in modalities]
            for x in sorted(looks, key=lambda x: (x.at_ms, _rank(x)), reverse=True):  # the earliest is set last
                scores = HUMAN_SCORES.get((x.detector, x.version, x.stratum or ""))
                if scores is not None:
                    above[x.modality, x.detector, x.version, x.stratum] = x.score > scores[RANKS.index(0.95)]
            if above:
                means.append(sum(above.values()) / len(above))
        return sum(means) / len(means) if len(means) >= 6 else None

    # --- challenges ---

    def _challenges(self) -> None:
        known: list[tuple[int, bool]] = []
        waiting: list[str] = []
        for pane in self.panes():
            for x in self._four(e.ChallengeIssued, pane):
                if x.challenge_id not in waiting:
                    waiting.append(x.challenge_id)
                    del waiting[:-8]
            for x in self._four(e.ChallengeResult, pane):
                if x.challenge_id not in waiting:
                    continue
                waiting.remove(x.challenge_id)
                if x.outcome == "void" or any(s <= x.at_ms < end for s, end in self.breaks):
                    continue
                failed = x.outcome != "passed"
                hot = any(bad and x.at_ms - at <= 600_000 for at, bad in known)
                self.challenge.step(x.at_ms, (float(failed),), (0.10,) if hot else (0.05,))
                known = [*known, (x.at_ms, failed)][-12:]

    def _four(self, kind: type, pane: int) -> list[Any]:
        kept = sorted(self.of(kind, pane, pane + PANE), key=_rank)[:4]
        return sorted(kept, key=lambda x: (x.at_ms, _rank(x)))

    # --- playback ---

    def _play(self) -> None:
        ring: list[tuple[int, int]] = []  # every segment: second, simhash
        recent: list[list[int]] = []  # lag bins of the last eight
        short, long = Fraction(30), Fraction(120)
        before: int | None = None
        for pane in self.panes():
            if before is not None:
                refill = Fraction(pane - before, PANE * 6)
                short, long = min(Fraction(30), short + refill), min(Fraction(120), long + refill)
            before = pane
            armed = modal_of(recent)[1] >= 5
            found: list[tuple[Any, list[int]]] = []
            for x in self.spoken(pane):
                grams = grams_of(x.text)
                if len(grams) < 8:
                    continue
                second, hashed = (x.at_ms - self.start + LATENESS) // 1000, simhash(grams)
                expected, votes = modal_of(recent)
                lags = set()
                for then, other in ring[-896:]:
                    lag = (second - then) * 1000 // 5000
                    there = votes >= 3 and abs(lag - expected) <= 1 and (hashed ^ other).bit_count() <= 12
                    if then < second and (near(hashed, other) or there):
                        lags.add(lag)
                found.append((x, sorted(lags)[:8]))
                ring.append((second, hashed))
                recent = [*recent, sorted(lags)[:8]][-8:]
            modal, votes = modal_of(recent)
            locked = [x for x, lags in found if votes and any(abs(lag - modal) <= 1 for lag in lags)]
            if not armed or not found:
                continue
            self.locked_ids |= {x.id for x in locked}
            share = len(locked) / len(found)
            if short < 1:
                self.play.step(pane + PANE, (share,))
            if long < 1:
                self.play_long.step(pane + PANE, (share,))
            if share:
                short, long = short - (short >= 1), long - (long >= 1)


def _rank(event: Any) -> int:
    return xxh3_64_intdigest(event.id.encode())


def _spans(events: list[Any]) -> list[tuple[int, int]]:
    """Declared breaks, in log order; one that goes on ends never."""
    spans, since = [], None
    for x in events:
        paused = isinstance(x, e.RoomPaused) or (isinstance(x, e.RoomHeartbeat) and x.paused)
        resumed = isinstance(x, e.RoomResumed) or (isinstance(x, e.RoomHeartbeat) and not x.paused)
        if paused and since is None:
            since = x.at_ms
        elif resumed and since is not None:
            spans.append((since, x.at_ms))
            since = None
    return [*spans, (since, 1 << 60)] if since is not None else spans


def _folds_ms(event: Any) -> int:
    """In whose pane an event is folded: speech 20 s later than it was said."""
    at_ms: int = event.at_ms
    return at_ms + BAND if isinstance(event, e.HostSpeech) else at_ms


def _may_answer(event: Any, age_ms: int) -> bool:
    """Whether what the host did may answer a prompt of that age."""
    band = BAND if isinstance(event, e.HostSpeech) else 0
    return -band < age_ms <= DUE + band


def _is_reply(event: Any) -> bool:
    return isinstance(event, e.HostReply) or (
        isinstance(event, e.HostAction) and event.kind in ("thank_gift", "pin_comment")
    )


def _prompt_kind(event: Any) -> str:
    if isinstance(event, e.ViewerGift | e.ViewerOrder):
        return "thanked"
    if isinstance(event, e.ViewerComment):
        if event.question or (event.question is None and is_question(event.text)):
            return "question"
        if is_greeting(event.text):
            return "greeting"
    return ""
