"""What machines report of a room: detectors' looks, measurements of the frame, and the platform's challenges."""

from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random

from worker.audit.evidence import ACCRUE, new_family, step
from worker.lab.simulate.stage import HOUR_MS, MINUTE_MS, SECOND_MS, Stage

LOOK_MS = 10_000
RHO = 0.6 ** (1 / 6)  # correlation of two looks 10 s apart; one minute apart it is 0.6
Z95 = 1.6449  # 95 % quantile of the standard normal

# (detector, version, modality, 95 % quantile of audited human scores): see worker/audit/calibration.py
DETECTORS = (("face-audit", "1", "face", 0.60), ("voice-audit", "1", "voice", 0.55))


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How detectors see a room: shift of the latent score, in standard deviations, by modality.

    A shift of s puts the share of looks above the human 95 % rank at 1 − Φ(1.645 − s): 0 → 5 %, 1.2 → 33 %,
    1.7 → 52 %, 2.5 → 80 %.
    """

    face: float = 0.0
    voice: float = 0.0
    has_voice: bool = True


class Detectors:
    """Looks every 10 s, correlated in time; none while the host is on a break."""

    def __init__(self, stage: Stage, looks: Looks) -> None:
        self._stage = stage
        self._rng = stage.rng("detectors")
        self._state = [self._rng.gauss(0, 1) for _ in DETECTORS]
        shifts = {"face": looks.face, "voice": looks.voice}
        self._shifts = [shifts[modality] for _, _, modality, _ in DETECTORS]
        self._seen = [looks.has_voice or modality != "voice" for _, _, modality, _ in DETECTORS]
        stage.every(LOOK_MS, self._look, first_ms=self._rng.randint(1, LOOK_MS))

    def _look(self) -> None:
        for i, (detector, version, modality, q95) in enumerate(DETECTORS):
            self._state[i] = RHO * self._state[i] + sqrt(1 - RHO * RHO) * self._rng.gauss(0, 1)
            if self._stage.paused or not self._seen[i]:
                continue
            z = self._state[i] + self._shifts[i] - Z95 + log(q95 / (1 - q95))
            self._stage.emit(
                "detector.score",
                detector=detector,
                version=version,
                modality=modality,
                score=round(1 / (1 + exp(-z)), 4),
                look_ms=LOOK_MS,
            )


class Camera:
    """Measures the frame every 30 s: who is in it, and how much of it stands still."""

    def __init__(self, stage: Stage, *, person: bool = True, avatar_height_ratio: float | None = None) -> None:
        self._stage = stage
        self._rng = stage.rng("camera")
        self._person = person
        self._avatar_height_ratio = avatar_height_ratio
        stage.every(30 * SECOND_MS, self._measure)

    def _measure(self) -> None:
        fields: dict[str, object] = {
            "person_present": self._person and not self._stage.paused,
            "static_ratio": round(self._rng.uniform(0.1, 0.4), 3),
        }
        if self._avatar_height_ratio is not None:
            fields["avatar_height_ratio"] = self._avatar_height_ratio
        self._stage.emit("frame.measured", **fields)


ENTRY_CHALLENGES = 2
PER_HOUR_MAX = 12
ANSWER_MS = 45_000


class Platform:
    """Issues challenges by the asking policy of detection-v2.md, and reports the results.

    Two entry challenges 5 min apart; then spot checks at exponential times (mean 1 h, 5 min to 3 h); while
    failures mount (CUSUM of the evidence above 0) the next comes 2 min after the last; at most 12 an hour.
    On a break a challenge is void. `fails` is the host's probability to fail; a human fails in spells.
    """

    def __init__(self, stage: Stage, *, fails: float, human: bool) -> None:
        self._stage = stage
        self._rng: Random = stage.rng("platform")
        self._fails = fails
        self._human = human
        self._spell = False
        self._issued: list[int] = []
        self._number = 0
        self._cusum = 0.0
        self._last_fail_ms = -HOUR_MS
        self._family = new_family("CHALLENGE", stage.now_ms)
        stage.after(self._rng.uniform(2, 4) * MINUTE_MS, self._issue)

    def _issue(self) -> None:
        stage = self._stage
        self._issued = [at for at in self._issued if at > stage.now_ms - HOUR_MS]
        if stage.paused or len(self._issued) >= PER_HOUR_MAX:
            stage.after(MINUTE_MS, self._issue)
            return
        self._number += 1
        self._issued.append(stage.now_ms)
        name = f"q{self._number}"
        kind = self._rng.choice(("say_number", "turn_head", "show_hand", "hold_up_item"))
        stage.emit("challenge.issued", challenge_id=name, kind=kind, deadline_ms=stage.now_ms + ANSWER_MS)
        stage.after(self._rng.uniform(4, 44) * SECOND_MS, lambda: self._result(name))

    def _result(self, name: str) -> None:
        stage, rng = self._stage, self._rng
        if stage.paused:
            stage.emit("challenge.result", challenge_id=name, outcome="void")
            stage.after(MINUTE_MS, self._issue)
            return
        self._spell = rng.random() < (0.9 if self._spell else 0.0111)
        share = self._fails * ((3.5 if self._spell else 0.72) if self._human else 1.0)
        failed = rng.random() < share
        outcome = rng.choice(("failed", "no_response")) if failed else "passed"
        stage.emit("challenge.result", challenge_id=name, outcome=outcome)
        self._learn(failed)
        stage.after(self._wait_ms(), self._issue)

    def _learn(self, failed: bool) -> None:
        now_ms = self._stage.now_ms
        norm = 0.10 if now_ms - self._last_fail_ms < 10 * MINUTE_MS else 0.05
        accrued = self._family.mass() + ACCRUE * (now_ms - self._family.last_ms) / HOUR_MS
        step(self._family, now_ms, (float(failed),), (norm,))
        self._cusum = min(max(0.0, self._cusum + log(self._family.mass() / accrued)), 25.0)
        if failed:
            self._last_fail_ms = now_ms

    def _wait_ms(self) -> float:
        since_issue = self._stage.now_ms - self._issued[-1]
        if self._cusum > 0:
            return 2 * MINUTE_MS - since_issue
        if self._number < ENTRY_CHALLENGES:
            return 5 * MINUTE_MS - since_issue
        return min(max(self._rng.expovariate(1 / HOUR_MS), 5 * MINUTE_MS), 3 * HOUR_MS)
