"""Calibration `2026-11-provisional`: placeholders, until a platform has audited human rooms of its own.

No room was measured for this. Scores are taken as logistic of a normal variable, shifted so that the 95 % quantile is
the round number that stands in the row: score(p) = 1/(1 + exp(−(Φ⁻¹(p) − 1.6449 + ln(q/(1 − q))))), four digits.
"""

VERSION = "2026-11-provisional"

HUMAN_SCORES: dict[tuple[str, str, str], tuple[float, ...]] = {
    # (detector, version, stratum): scores at the ranks of `audit.calibration.RANKS` among audited human looks
    ("face-audit", "1", ""): (0.0275, 0.0529, 0.0744, 0.1285, 0.2245, 0.3624, 0.5105, 0.6, 0.7478),
    ("face-audit", "1", "low_light"): (0.0462, 0.0874, 0.1211, 0.2018, 0.3317, 0.4935, 0.6413, 0.72, 0.8356),
    ("lip-sync-audit", "1", ""): (0.0254, 0.0489, 0.0689, 0.1196, 0.2105, 0.3435, 0.4899, 0.58, 0.7319),
    ("motion-audit", "1", ""): (0.0298, 0.0573, 0.0804, 0.1383, 0.2395, 0.382, 0.5315, 0.62, 0.7633),
    ("script-audit", "1", ""): (0.0421, 0.08, 0.1111, 0.1866, 0.3105, 0.4693, 0.6187, 0.7, 0.8218),
    ("voice-audit", "1", ""): (0.0225, 0.0436, 0.0615, 0.1073, 0.1909, 0.3165, 0.4594, 0.55, 0.7073),
    ("voice-audit", "1", "telephone"): (0.0421, 0.08, 0.1111, 0.1866, 0.3105, 0.4693, 0.6187, 0.7, 0.8218),
}
