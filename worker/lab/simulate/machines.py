"""What machines report of a room: detectors' looks, and measurements of the frame."""

from dataclasses import dataclass
from math import exp, log, sqrt

from worker.lab.simulate.stage import MINUTE_MS, Stage

RHO_MINUTE = 0.6  # correlation of two looks one minute apart
Z95 = 1.6449  # 95 % quantile of the standard normal
MORE_MS = 10_000  # between two looks when more are asked for

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
    """Looks every 10 s (or as the pace says), correlated in time; none while the host is on a break.

    Asked for more, they look every 10 s for as long as they are asked.
    """

    def __init__(self, stage: Stage, looks: Looks) -> None:
        self._stage = stage
        self._rng = stage.rng("detectors")
        self._state = [self._rng.gauss(0, 1) for _ in DETECTORS]
        self.show(looks)
        self._more_until_ms = 0
        self._pace(stage.plan.pace.look_ms)
        stage.on_sample_more.append(self._look_more)
        stage.after(self._rng.randint(1, self._look_ms), self._again)

    def show(self, looks: Looks) -> None:
        """From now on the detectors see this."""
        shifts = {"face": looks.face, "voice": looks.voice}
        self._shifts = [shifts[modality] for _, _, modality, _ in DETECTORS]
        self._seen = [looks.has_voice or modality != "voice" for _, _, modality, _ in DETECTORS]

    def _pace(self, look_ms: int) -> None:
        self._look_ms = look_ms
        self._rho = RHO_MINUTE ** (look_ms / MINUTE_MS)
        self._scale = sqrt(1 - self._rho**2)

    def _look_more(self, until_ms: int) -> None:
        self._more_until_ms = max(self._more_until_ms, until_ms)

    def _again(self) -> None:
        self._look()
        usual_ms = self._stage.plan.pace.look_ms
        look_ms = min(usual_ms, MORE_MS) if self._stage.now_ms < self._more_until_ms else usual_ms
        if look_ms != self._look_ms:
            self._pace(look_ms)
        self._stage.after(look_ms, self._again)

    def _look(self) -> None:
        for i, (detector, version, modality, q95) in enumerate(DETECTORS):
            self._state[i] = self._rho * self._state[i] + self._scale * self._rng.gauss(0, 1)
            if self._stage.paused or not self._seen[i]:
                continue
            z = self._state[i] + self._shifts[i] - Z95 + log(q95 / (1 - q95))
            self._stage.emit(
                "detector.score",
                detector=detector,
                version=version,
                modality=modality,
                score=round(1 / (1 + exp(-z)), 4),
                look_ms=self._look_ms,
            )


class Camera:
    """Measures the frame every 30 s (or as the pace says): who is in it, and how much of it stands still."""

    def __init__(self, stage: Stage, *, person: bool = True, avatar_height_ratio: float | None = None) -> None:
        self._stage = stage
        self._rng = stage.rng("camera")
        self._person = person
        self._avatar_height_ratio = avatar_height_ratio
        stage.every(stage.plan.pace.frame_ms, self._measure)

    def _measure(self) -> None:
        fields: dict[str, object] = {
            "person_present": self._person and not self._stage.paused,
            "static_ratio": round(self._rng.uniform(0.1, 0.4), 3),
        }
        if self._avatar_height_ratio is not None:
            fields["avatar_height_ratio"] = self._avatar_height_ratio
        self._stage.emit("frame.measured", **fields)
