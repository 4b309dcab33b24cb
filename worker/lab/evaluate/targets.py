"""What the design of the evidence promises, and the bars that a measurement has to meet.

Minutes from the start, or from the switch, to LIMIT. The promises are medians of a vectorised study of the evidence
alone, 2,000 rooms of 12 h per archetype, any family, before guards; the bars hold after guards.
"""

from msgspec import Struct

CHALLENGED_MIN: dict[str, float] = {
    "loop": 14,
    "loop_45": 14,
    "loop_90": 14,
    "one_pass": 14,
    "scripted_avatar": 15,
    "subtle_llm_avatar": 26,
    "evasive_llm_avatar": 70,
    "standby": 210,
    "human_then_avatar": 61,
    "human_then_loop": 36,
}
"""On a platform that challenges hosts."""

UNCHALLENGED_MIN: dict[str, float] = {
    "loop": 60,
    "loop_45": 86,
    "loop_90": 130,
    "one_pass": 265,
    "scripted_avatar": 210,
    "subtle_llm_avatar": 210,
    "standby": 210,
    "human_then_avatar": 230,
    "human_then_loop": 70,
}
"""On a platform that challenges nobody."""


class Bar(Struct, frozen=True):
    """At most so many minutes in the median, and in the 90 % quantile where that is bounded too."""

    median_min: float
    p90_min: float | None = None


AT_ONCE = Bar(20, 30)
ANSWERING = Bar(30, 100)
SWITCHED = Bar(60)

CHALLENGED_BARS: dict[str, Bar] = {
    "loop": AT_ONCE,
    "loop_45": AT_ONCE,
    "loop_90": AT_ONCE,
    "scripted_avatar": AT_ONCE,
    "llm_avatar": ANSWERING,
    "subtle_llm_avatar": ANSWERING,
    "evasive_llm_avatar": Bar(75),
    "human_then_avatar": SWITCHED,
    "human_then_loop": SWITCHED,
}
UNCHALLENGED_BARS: dict[str, Bar] = {"loop": Bar(20 + 45), "loop_45": Bar(45 + 45), "loop_90": Bar(90 + 45)}
"""A loop is known 45 min after its first repetition began."""
FACTUAL_EVENTS = 1
"""What a single event gives away opens a rule at that event."""
