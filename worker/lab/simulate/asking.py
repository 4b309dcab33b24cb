"""The platform's challenges: whom it asks, when, and how the host does.

The policy of asking. Two entry challenges 5 min apart, from 2–4 min after the opening; then
spot checks at exponential times (mean 1 h, 5 min to 3 h). While failures mount (CUSUM of the evidence above 0) the
next comes 2 min after the last. When passive suspicion, the CUSUM of the other families' evidence, reaches 2 nats, one
comes within 30 s, then after 6 min doubling to 48 min while passed. At most 12 an hour, and never on a break: what
falls into one is void.
"""

from collections.abc import Callable
from math import log
from random import Random

from worker.audit.evidence import ACCRUE, new_family, step
from worker.lab.simulate.stage import HOUR_MS, MINUTE_MS, SECOND_MS, Stage

ENTRY_CHALLENGES = 2
PER_HOUR_MAX = 12
ANSWER_MS = 45_000
CUSUM_MAX = 25.0
SUSPICION_NATS = 2.0
CALM_NATS = 1.0
WATCH_MS = 10 * SECOND_MS
WITHIN_MS = 30 * SECOND_MS
FIRST_GAP_MS, LAST_GAP_MS = 6 * MINUTE_MS, 48 * MINUTE_MS


class Platform:
    """Issues challenges and reports the results. `fails` is the host's probability to fail; humans fail in spells.

    A human is three and a half times as likely to fail within a spell, which one challenge in ten falls into.
    """

    def __init__(self, stage: Stage, *, fails: float, human: bool) -> None:
        self._stage = stage
        self._rng: Random = stage.rng("platform")
        self._fails = fails
        self._human = human
        self._spell = False
        self._issued: list[int] = []
        self._number = 0
        self._turn = 0
        self._waiting = False  # for an answer
        self._cusum = 0.0
        self._suspected = False
        self._gap_ms = FIRST_GAP_MS
        self._last_fail_ms = -HOUR_MS
        self._family = new_family("CHALLENGE", stage.now_ms)
        self._next_in(self._rng.uniform(2, 4) * MINUTE_MS)
        if stage.suspicion is not None:
            stage.every(WATCH_MS, lambda: self._watch(stage.suspicion))

    def become(self, *, fails: float, human: bool) -> None:
        """Somebody else, or nobody, sits there from now on."""
        self._fails, self._human = fails, human

    def _next_in(self, delay_ms: float) -> None:
        """The next challenge comes in `delay_ms`, whatever was planned before."""
        self._turn += 1
        turn = self._turn
        self._next_ms = self._stage.now_ms + delay_ms
        self._stage.after(delay_ms, lambda: self._issue() if turn == self._turn else None)

    def _watch(self, suspicion: Callable[[], float] | None) -> None:
        """Ask soon when suspicion rises; one that stays high is asked about at growing gaps."""
        nats = suspicion() if suspicion else 0.0
        if nats >= SUSPICION_NATS and not self._suspected:
            self._suspected = True
            self._gap_ms = FIRST_GAP_MS
            if not self._waiting and self._next_ms > self._stage.now_ms + WITHIN_MS:
                self._next_in(WITHIN_MS)
        elif nats < CALM_NATS:
            self._suspected = False

    def _issue(self) -> None:
        stage = self._stage
        self._issued = [at for at in self._issued if at > stage.now_ms - HOUR_MS]
        if stage.paused or len(self._issued) >= PER_HOUR_MAX:
            self._next_in(MINUTE_MS)
            return
        self._number += 1
        self._issued.append(stage.now_ms)
        name = f"q{self._number}"
        kind = self._rng.choice(("say_number", "turn_head", "show_hand", "hold_up_item"))
        stage.emit("challenge.issued", challenge_id=name, kind=kind, deadline_ms=stage.now_ms + ANSWER_MS)
        self._waiting = True
        stage.after(self._rng.uniform(4, 44) * SECOND_MS, lambda: self._result(name))

    def _result(self, name: str) -> None:
        stage, rng = self._stage, self._rng
        self._waiting = False
        if stage.paused:
            stage.emit("challenge.result", challenge_id=name, outcome="void")
            self._next_in(MINUTE_MS)
            return
        self._spell = rng.random() < (0.9 if self._spell else 0.0111)
        share = self._fails * ((3.5 if self._spell else 0.72) if self._human else 1.0)
        failed = rng.random() < share
        outcome = rng.choice(("failed", "no_response")) if failed else "passed"
        stage.emit("challenge.result", challenge_id=name, outcome=outcome)
        self._learn(failed)
        self._next_in(self._wait_ms())

    def _learn(self, failed: bool) -> None:
        now_ms = self._stage.now_ms
        norm = 0.10 if now_ms - self._last_fail_ms < 10 * MINUTE_MS else 0.05
        accrued = self._family.mass() + ACCRUE * (now_ms - self._family.last_ms) / HOUR_MS
        step(self._family, now_ms, (float(failed),), (norm,))
        self._cusum = min(max(0.0, self._cusum + log(self._family.mass() / accrued)), CUSUM_MAX)
        if failed:
            self._last_fail_ms = now_ms

    def _wait_ms(self) -> float:
        since_issue = self._stage.now_ms - self._issued[-1]
        if self._cusum > 0:
            self._gap_ms = FIRST_GAP_MS
            return 2 * MINUTE_MS - since_issue
        if self._number < ENTRY_CHALLENGES:
            return 5 * MINUTE_MS - since_issue
        if self._suspected:
            gap_ms, self._gap_ms = self._gap_ms, min(2 * self._gap_ms, LAST_GAP_MS)
            return gap_ms - since_issue
        return min(max(self._rng.expovariate(1 / HOUR_MS), 5 * MINUTE_MS), 3 * HOUR_MS)
