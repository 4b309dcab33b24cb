"""The platform's challenges: whom it asks, when and what, and how the host does.

Whoever judges the room's events as they come may hand over its requests; then the platform issues a challenge when it
is asked for one, of a kind that the request names, and has its detectors look more often when it is asked for that.
Without such requests the platform follows the same policy (`audit.requests`) by itself, but knows no more than its own
challenges. What falls into a break is void. Who is asked to do what he cannot do fails.
"""

from random import Random

from worker.audit import requests
from worker.audit.evidence import Level, level_of, new_family, step
from worker.audit.signals.challenge import HOT_MS, NORM, NORM_HOT
from worker.lab.simulate.stage import SECOND_MS, Stage

ISSUED = {"say": ("say_number",), "gesture": ("turn_head", "show_hand"), "show": ("hold_up_item",)}
"""Challenges by the kind that a request names."""
SPOKEN = ISSUED["say"]


class Platform:
    """Issues challenges and reports the results. `fails` is the host's probability to fail; humans fail in spells.

    A human is three and a half times as likely to fail within a spell, which one challenge in ten falls into. Who never
    `speaks` fails what has to be said, and is not asked for it by a platform that follows the policy by itself.
    """

    def __init__(self, stage: Stage, *, fails: float, human: bool, speaks: bool = True) -> None:
        self._stage = stage
        self._rng: Random = stage.rng("platform")
        self._fails = fails
        self._human = human
        self._speaks = speaks
        self._spell = False
        self._number = 0
        self._turn = 0
        self._last_fail_ms = 0
        self._family = new_family("CHALLENGE", stage.now_ms)
        self._policy: requests.Asking | None = None
        if stage.asked is None:
            self._policy = requests.begin(f"{stage.plan.seed}/{stage.plan.room_id}", stage.now_ms)
            requests.stir(self._policy, self._rng.getrandbits(64))
            self._wait(self._policy)
        else:
            stage.every(stage.plan.pace.poll_ms, self._follow)

    def become(self, *, fails: float, human: bool) -> None:
        """Somebody else, or nobody, sits there from now on."""
        self._fails, self._human = fails, human

    def _follow(self) -> None:
        """Do what was asked for since the last look; several challenges at once are one, as the latest says."""
        assert self._stage.asked is not None, "followed only then"
        challenge = None
        for ask in self._stage.asked():
            if ask.action == "challenge":
                challenge = ask
            else:
                for look_more in self._stage.on_sample_more:
                    look_more(ask.until_ms)
        if challenge is not None and not self._stage.paused:
            self._issue(challenge.kinds)

    def _wait(self, policy: requests.Asking) -> None:
        """Until the next challenge falls due, whatever was planned before."""
        self._turn += 1
        turn = self._turn
        self._stage.after(policy.due_ms - self._stage.now_ms, lambda: self._due(policy) if turn == self._turn else None)

    def _due(self, policy: requests.Asking) -> None:
        requests.fall_due(policy, may_ask=not self._stage.paused, kinds=())
        if requests.take(policy):
            self._issue(tuple(kind for kind in ISSUED if self._speaks or kind != "say"))
            requests.note_issued(policy, self._stage.now_ms, self._stage.now_ms)
        self._wait(policy)

    def _issue(self, kinds: tuple[str, ...]) -> None:
        stage = self._stage
        self._number += 1
        name = f"q{self._number}"
        kind = self._rng.choice([issued for asked in kinds for issued in ISSUED[asked]])
        stage.emit("challenge.issued", challenge_id=name, kind=kind, deadline_ms=stage.now_ms + requests.ANSWER_MS)
        stage.after(self._rng.uniform(4, 44) * SECOND_MS, lambda: self._result(name, kind))

    def _result(self, name: str, kind: str) -> None:
        stage, rng = self._stage, self._rng
        if stage.paused:
            stage.emit("challenge.result", challenge_id=name, outcome="void")
            return
        self._spell = rng.random() < (0.9 if self._spell else 0.0111)
        share = self._fails * ((3.5 if self._spell else 0.72) if self._human else 1.0)
        failed = rng.random() < share or (kind in SPOKEN and not self._speaks)
        outcome = rng.choice(("failed", "no_response")) if failed else "passed"
        stage.emit("challenge.result", challenge_id=name, outcome=outcome)
        if self._policy is not None:
            self._learn(self._policy, failed)

    def _learn(self, policy: requests.Asking, failed: bool) -> None:
        now_ms, family = self._stage.now_ms, self._family
        hot = self._last_fail_ms > 0 and now_ms - self._last_fail_ms <= HOT_MS
        mass, last_ms = family.mass(), family.last_ms
        step(family, now_ms, (float(failed),), NORM_HOT if hot else NORM)
        family.level = level_of(family.mass(), family.level)
        policy.watched = family.level >= Level.WATCH
        requests.note_answered(policy, failed, requests.gained(family, last_ms, mass), now_ms)
        if failed:
            self._last_fail_ms = now_ms
        self._wait(policy)
