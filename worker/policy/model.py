"""Policies, rules and decisions as values. All are frozen; times are Unix ms of event time, durations ms."""

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

from worker.audit.episode import Broadcast
from worker.policy.compile import Program

Mode = Literal["live", "shadow"]
Scope = Literal["selling", "any"]
Status = Literal["in_force", "draft", "inferred"]
Because = Literal["certainty", "cap", "exemption", "review", "rollout"]
Transition = Literal["opened", "escalated", "cleared", "parked", "withdrawn"]
Whom = Literal["room", "host", "operator", "shop"]
WHOM: tuple[Whom, ...] = get_args(Whom)
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Problem(Struct, frozen=True, order=True):
    """One thing wrong with a policy file: where, in which rule, and what to do about it."""

    file: str
    line: int
    column: int
    rule: str
    what: str

    def __str__(self) -> str:
        rule = f"rule {self.rule}: " if self.rule else ""
        return f"{self.file}:{self.line}:{self.column}: {rule}{self.what}"


class PolicyErrors(Exception):
    """Policies were refused; `problems` holds every reason, in the order of the files."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Basis(Struct, frozen=True):
    """The platform rule or law behind a rule: its text, where we have it from, and how sure we are of it."""

    text: str
    source: str
    status: Status
    since: str  # ISO 8601 date
    sureness: Literal["high", "medium", "low"]


class Recommendation(Struct, frozen=True):
    """A wish of a ladder's step; `for_ms` 0 means until lifted."""

    action: str
    for_ms: int = 0


class Caps(Struct, frozen=True):
    """How many automatic violations a rule may emit per partition of the room log; excess is parked (`policy.caps`).
    None means unlimited."""

    per_hour: int | None = None
    per_day: int | None = None


class Pause(Struct, frozen=True):
    """When a rule floods: it opens in more rooms of a partition within ten minutes than `rooms`, and in more than
    `times` its own mean (`policy.caps`)."""

    rooms: int = 200
    times: int = 5


class Exemption(Struct, frozen=True):
    """Whom a rule leaves alone until when (ms, excluded), and where in the file that stands."""

    whom: Whom
    id: str
    reason: str
    until_ms: int
    line: int = 0
    column: int = 0


class Rollout(Struct, frozen=True):
    """Shadow, or live in `percent` of the rooms; the other rooms are in shadow."""

    mode: Mode
    percent: int


class PolicyRef(Struct, frozen=True):
    """Which text of which policy: enough to find it again."""

    id: str
    version: int
    sha256: str


class Control(Struct, frozen=True):
    """Offsets of the control topics that were in force, None when nothing was read from there; and whether what speaks
    with authority had to be signed."""

    policies: int | None = None
    registry: int | None = None
    trust: Literal["open", "signed"] = "open"


class Case(Struct, frozen=True):
    """A test inside a policy file: given these facts, the rule opens with these actions, or recommends nothing.

    `of` says whose room it is, for exemptions; `at_ms` when (event time).
    """

    given: Mapping[str, Mapping[str, Json]]
    expect: tuple[str, ...]  # empty: the rule must not hold, or the room must be exempt
    of: Mapping[Whom, str]
    at_ms: int
    line: int
    column: int


class Rule(Struct, frozen=True):
    """One rule, compiled. `ladder[n]` holds the wishes of step n."""

    id: str
    title: str
    policy: PolicyRef
    basis: Basis
    scope: Scope
    severity: int
    when: Program
    exempt: Program
    ladder: tuple[tuple[Recommendation, ...], ...]
    escalate_after_ms: int
    clear_after_ms: int
    cooldown_ms: int
    remember_ms: int
    rollout: Rollout
    caps: Caps
    pause: Pause
    review_sample_percent: int
    exemptions: Mapping[tuple[str, str], Exemption]  # by whom and id
    cases: tuple[Case, ...]
    file: str
    line: int


class Policy(Struct, frozen=True):
    """One version of one policy file. Without `platforms` it serves only by being inherited; no `regions` means all."""

    ref: PolicyRef
    effective_from_ms: int
    platforms: frozenset[str]
    regions: frozenset[str]
    inherits: tuple[str, ...]
    rules: tuple[Rule, ...]
    file: str
    offset: int | None = None  # in the policies' topic; None for a file


class Action(Struct, frozen=True):
    """A recommendation that leaves."""

    action: str
    until_ms: int | None
    territory: str


class Withheld(Struct, frozen=True):
    """A wish of the ladder that was held back, and why."""

    action: str
    because: Because


class Evidence(Struct, frozen=True):
    """A signal's share of ln M, in nats; `start` and `time` are entries too, so that the shares add up."""

    signal: str
    nats: float
    value: float
    norm: float
    blocks: int
    since_ms: int


class ByReview(Struct, frozen=True):
    """The review that a record follows from: the event's id, whose it is, what it says, and what it made of the
    episode."""

    review_id: str
    by: str
    outcome: str
    what: str


class Decision(Struct, frozen=True):
    """One step of one episode of one rule in one room, with all that explains it.

    Attributes:
        supersedes: id of the previous record of this episode, "" for the first.
        facts: value of every fact that the rule read, ready for JSON, certainty and levels in words.
        family: family of evidence that drove the rule; with it `level`, `evidence`, `log_e`, `threshold` (nats).
        released: a person let it go, so it counts against no cap.
        exemption: the room is exempt, so nothing leaves.
        sampled: `review` was added, so that people see a share of what happens by itself.
        counterfactual: facts (`label`), families (`AI`) and signals (`AI.voice`) without which the rule would not hold.
        by_review: the person's decision that it follows from.
        former: the session that it is about; None for the room's present one.
    """

    kind: Transition
    violation_id: str
    supersedes: str
    rule: Rule
    policy: PolicyRef
    mode: Mode
    session_id: str
    step: int
    decided_at_ms: int
    window_start_ms: int
    certainty: int
    actions: tuple[Action, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    facts: Mapping[str, Json] = {}
    family: str | None = None
    level: int = 0
    evidence: tuple[Evidence, ...] = ()
    log_e: float | None = None
    threshold: float | None = None
    counterfactual: tuple[str, ...] = ()
    released: bool = False
    exemption: Exemption | None = None
    sampled: bool = False
    by_review: ByReview | None = None
    former: Broadcast | None = None
