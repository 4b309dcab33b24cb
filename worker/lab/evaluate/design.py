"""What the design of the evidence promises: medians of its own vectorised study of 2,000 rooms per archetype.

Minutes from the start, or from the switch, by any family, before guards, in 12 h; a study of the evidence alone.
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
"""To WATCH, LIMIT and RESTRICT, on a platform that challenges hosts."""

UNCHALLENGED_MIN: dict[str, dict[Level, float]] = {
    name: {Level.LIMIT: minutes}
    for name, minutes in {
        "loop": 60,
        "loop_45": 86,
        "loop_90": 130,
        "one_pass": 265,
        "scripted_avatar": 210,
        "subtle_llm_avatar": 210,
        "standby": 210,
        "human_then_avatar": 230,
        "human_then_loop": 70,
    }.items()
}
"""To LIMIT, on a platform that challenges nobody."""
