"""Small policies and rooms for tests."""

from itertools import count

from msgspec.structs import replace

from worker.audit import reviews
from worker.audit.events import ReviewDecided
from worker.audit.evidence import THRESHOLDS, Level, new_family
from worker.audit.facts import BLOCK_BIT, FACT_BIT, LEVEL_BIT, REVIEW_BIT, AiPresenter, Certainty
from worker.audit.room import Phase, Room, Session
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.policy.model import Decision

T0 = 1_718_679_600_000
MINUTE = 60_000
DAY = 24 * 60 * MINUTE

RULE = """\
  - id: {id}
    title: A rule
    basis: {{text: 规则, source: press, status: in_force, since: 2024-06-17, sureness: high}}
    when: {when}
    severity: 3
    ladder: {ladder}
{more}    tests:
      - given: {given}
        expect: {expect}
      - given: {{}}
        expect: none
"""


def a_rule(
    id: str = "T-ONE-01",
    when: str = "ai_presenter.certainty >= POSSIBLE",
    ladder: str = "[reduce_live_recommendation, reduce_account_recommendation, limit_commerce]",
    given: str = "{ai_presenter: {certainty: CONFIRMED}}",
    expect: str = "[reduce_live_recommendation]",
    **more: str,
) -> str:
    """YAML of one rule; further keys by name, such as `cooldown="5m"`."""
    lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
    return RULE.format(id=id, when=when, ladder=ladder, given=given, expect=expect, more=lines)


def a_policy(*rules: str, name: str = "wechat_channels", version: int = 1, since_ms: int = 0, head: str = "") -> str:
    """YAML of one policy for rooms of wechat_channels in CN."""
    applies = "applies: {platforms: [wechat_channels], regions: [CN]}\n"
    body = "".join(rules or (a_rule(),))
    return f"policy: {name}\nversion: {version}\neffective_from_ms: {since_ms}\n{applies}{head}rules:\n{body}"


def a_judge(*rules: str) -> Judge:
    """A judge by one policy of these rules; their own tests are not run."""
    return Judge(load_policies({"p.yaml": a_policy(*rules)}, run_tests=False))


def a_room(room_id: str = "wechat_channels:r1", session_id: str = "s1") -> Room:
    """A selling room that is live since T0."""
    return Room(
        room_id,
        partition=3,
        offset=100,
        max_at_ms=T0,
        session=Session(
            id=session_id,
            first_offset=7,
            phase=Phase.LIVE,
            platform="wechat_channels",
            region="CN",
            host_id="h:1",
            selling=True,
            started_at_ms=T0 - 60 * MINUTE,
            began_ms=T0 - 60 * MINUTE,
            start_ms=T0 - 60 * MINUTE,
            viewers=20,
        ),
    )


def set_ai(room: Room, certainty: Certainty, by: str = "gb45438", since_ms: int = T0 - 5 * MINUTE) -> None:
    """Say that AI presents, as the audit core would."""
    room.session.facts.ai_presenter = AiPresenter(
        certainty, by if certainty else "", False, since_ms if certainty else 0
    )
    room.changed |= FACT_BIT["ai_presenter"]


def set_level(room: Room, name: str, level: Level, dominant: int = 0) -> None:
    """Bring a family to a level; signal `dominant` alone carries it."""
    family = new_family(name, T0 - 30 * MINUTE)
    mass = max(THRESHOLDS[level] * 2, 0.5)
    family.m = [mass / len(family.m)] * len(family.m)
    family.without = [
        [(0.6 if k == dominant else mass) / len(family.m)] * len(family.m) for k in range(len(family.without))
    ]
    family.blocks = (6,) * len(family.blocks)
    family.values = (0.9,) * len(family.values)
    gained = family.log_e() - family.start_nats
    family.nats = tuple(gained if k == dominant else 0.0 for k in range(len(family.nats)))
    family.level = level
    room.session.families = {**room.session.families, name: family}
    room.changed |= LEVEL_BIT


def closed(room: Room) -> None:
    """Close the room's session."""
    from worker.audit.facts import SESSION_BIT

    room.session.phase, room.session.off_ms, room.session.off_appended_ms = Phase.CLOSED, room.max_at_ms, T0
    room.changed |= SESSION_BIT


def upheld(room: Room, **counts: int) -> None:
    """Let people have upheld earlier violations, by rule id with _ for -, a day each before T0."""
    by_rule = {rule.replace("_", "-"): [T0 - DAY * (n - i) for i in range(n)] for rule, n in counts.items()}
    room.history = replace(room.history, room=by_rule)


_later = count()


def reviewed(
    room: Room,
    violation_id: str,
    outcome: str,
    by: str = "reviewer",
    *,
    id: str | None = None,
    at_ms: int | None = None,
    keep: list[str] | None = None,
) -> None:
    """Let a person decide about a violation, by default after whatever was decided before."""
    number = next(_later)
    event = ReviewDecided(
        id=f"r{number}" if id is None else id,
        room_id=room.room_id,
        at_ms=T0 + number if at_ms is None else at_ms,
        violation_id=violation_id,
        outcome=outcome,  # type: ignore[arg-type]
        by=by,  # type: ignore[arg-type]
        keep=keep,
    )
    room.reviews.append(reviews.waiting(event, 200, event.at_ms, event.at_ms))
    room.changed |= REVIEW_BIT


def look(judge: Judge, room: Room, minutes: float = 0, bits: int = BLOCK_BIT) -> list[Decision]:
    """A block closes `minutes` after T0."""
    room.max_at_ms = room.watermark_ms = room.heard_ms = T0 + int(minutes * MINUTE)
    room.changed |= bits
    return judge.evaluate(room, room.max_at_ms)


def only(decisions: list[Decision]) -> Decision:
    assert len(decisions) == 1, decisions
    return decisions[0]
