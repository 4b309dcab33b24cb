"""What the design of the evidence promises: medians of its own vectorised study of 2,000 rooms per archetype.

Source: detection-v2, "Results". Minutes from the start, or from the switch, to WATCH, LIMIT and RESTRICT by any family
before guards; in 12 h, with challenges.
"""

from worker.audit.evidence import Level

DESIGN_MIN: dict[str, dict[Level, float]] = {
    name: dict(zip((Level.WATCH, Level.LIMIT, Level.RESTRICT), minutes, strict=True))
    for name, minutes in {
        "loop": (8, 14, 18),
        "loop_45": (8, 14, 18),
        "loop_90": (8, 14, 18),
        "one_pass": (8, 14, 18),
        "scripted_avatar": (8, 15, 22),
        "subtle_llm_avatar": (13, 26, 69),
        "evasive_llm_avatar": (15, 70, 84),
        "standby": (90, 210, 295),
        "human_then_avatar": (32, 61, 86),
        "human_then_loop": (28, 36, 40),
    }.items()
}
