"""Policy files into a book of compiled rules, or every problem at once. See `README.md` in `worker/policies`."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import TypeVar, cast, get_args

import yaml
from msgspec.structs import replace

from worker.audit.history import REMEMBERED_MS
from worker.policy.across import PLATFORMS, RULES_MAX, across
from worker.policy.actions import ACTIONS
from worker.policy.book import PolicyBook
from worker.policy.cases import read_case, run_cases
from worker.policy.compile import Program, RuleError, compile_expression
from worker.policy.document import Document, Missing
from worker.policy.exemptions import MILLIS_MAX, read_exemptions
from worker.policy.inputs import nothing_known
from worker.policy.model import (
    Basis,
    Caps,
    Case,
    Exemption,
    Mode,
    Pause,
    Policy,
    PolicyErrors,
    PolicyRef,
    Problem,
    Recommendation,
    Rollout,
    Rule,
    Scope,
    Status,
)

POLICY_KEYS = ("policy", "version", "effective_from_ms", "applies", "inherits", "defaults", "exemptions", "rules")
DEFAULT_KEYS = (
    "scope", "exempt", "escalate_after", "clear_after", "cooldown", "remember", "rollout", "caps", "pause",
    "review_sample_percent",
)  # fmt: skip
RULE_KEYS = ("id", "title", "basis", "severity", "when", "ladder", "tests", "exemptions", *DEFAULT_KEYS)
BASIS_KEYS = ("text", "source", "status", "since", "sureness")
STATUSES: tuple[str, ...] = get_args(Status)
SURENESSES = ("high", "medium", "low")

T = TypeVar("T")

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
RULE_ID = re.compile(r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+")
REGION = re.compile(r"[A-Z]{2}")
DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII)
STEPS_MAX = 8
CASES_MAX = 64

ESCALATE_AFTER_MS = CLEAR_AFTER_MS = COOLDOWN_MS = 30 * 60_000
DAY_MS = 24 * 3_600_000
LEAD_MS = 60_000  # how far ahead of its publishing a policy must take effect, so that every worker knows it in time
REVIEW_SAMPLE_PERCENT = 1
NEVER = compile_expression("false")


def load_policies(files: Mapping[str, str], *, run_tests: bool = True) -> PolicyBook:
    """Compile policy files, given as name → text, and run the tests that stand in them.

    Only `policy test`, which runs them itself, asks for `run_tests=False`.

    Raises:
        PolicyErrors: anything is wrong with any of them; all problems are listed and nothing is loaded.
    """
    policies: list[Policy] = []
    problems: list[Problem] = []
    for file, text in sorted(files.items()):
        document = Document(file, text)
        with suppress(Missing):
            policies.append(_policy(document, text))
        problems += document.problems
    problems += across(policies, complete=len(policies) == len(files))
    if not problems and run_tests:
        problems = [problem for policy in policies for rule in policy.rules for problem in run_cases(rule, policy)]
    if problems:
        raise PolicyErrors(problems)
    return PolicyBook(policies)


def read_published(
    file: str,
    text: str,
    *,
    name: str | None,
    above_version: int,
    offset: int,
    others: Iterable[Policy],
    not_before_ms: int = 0,
) -> Policy:
    """One policy as it was published: compiled, its own tests run, and looked at beside the `others` that are known.

    `name` is the record's key (None: it has none), `offset` its place in the policies' topic.

    Raises:
        PolicyErrors: anything is wrong with it, its version is not above `above_version`, or it takes effect before
            `not_before_ms`.
    """
    document = Document(file, text)
    problems = document.problems
    policy: Policy | None = None
    with suppress(Missing):
        policy = _policy(document, text, above_version=above_version, effective_after_ms=not_before_ms)
    if policy is not None and not problems:
        policy = replace(policy, offset=offset)
        if name is not None and policy.ref.id != name:
            problems.append(Problem(file, 1, 1, "", f"is policy {policy.ref.id}, but the record's key is '{name}'"))
        problems += across([*others, policy])
        problems += [] if problems else [found for rule in policy.rules for found in run_cases(rule, policy)]
    if problems or policy is None:
        raise PolicyErrors(problems)
    return policy


def _policy(doc: Document, text: str, *, above_version: int = 0, effective_after_ms: int = 0) -> Policy:
    root = doc.compose(text)
    top = doc.mapping(root, "the policy", POLICY_KEYS)
    name = doc.matching(doc.need(top, "policy", root, "the file"), "policy name", NAME, "lower case such as douyin")
    version_node = doc.need(top, "version", root, "the policy")
    version = doc.integer(version_node, "version", 1, 1_000_000_000)
    if version <= above_version:
        doc.note(version_node, f"version {version} is not above {above_version}, which is known already; raise it")
    since_node = doc.need(top, "effective_from_ms", root, "the policy")
    since = doc.integer(since_node, "effective_from_ms", 0, MILLIS_MAX)
    if since < effective_after_ms:
        doc.note(
            since_node,
            f"effective_from_ms {since} is too early: a policy takes effect at least {LEAD_MS // 1000} s after it "
            f"was published, here not before {effective_after_ms}",
        )
    platforms, regions = _applies(doc, top.get("applies"))
    inherits = [
        doc.matching(item, "inherited policy", NAME, "the name of a policy")
        for item in (doc.sequence(top["inherits"], "inherits", 8) if "inherits" in top else [])
    ]
    defaults = doc.mapping(top["defaults"], "defaults", DEFAULT_KEYS) if "defaults" in top else {}
    exempt = read_exemptions(doc, top["exemptions"]) if "exemptions" in top else ()
    ref = PolicyRef(name, version, sha256(text.encode()).hexdigest())
    rules: list[Rule] = []
    nodes = doc.sequence(doc.need(top, "rules", root, "the policy"), "rules", RULES_MAX)
    for node in nodes:
        doc.rule = ""
        try:
            rules.append(_rule(doc, node, defaults, ref, exempt))
        except Missing:
            continue
        if any(rule.id == rules[-1].id for rule in rules[:-1]):
            doc.note(node, f"id {rules[-1].id} stands twice in this file; ids are unique, rename one")
    doc.rule = ""
    return Policy(ref, since, frozenset(platforms), frozenset(regions), tuple(inherits), tuple(rules), doc.file)


def _applies(doc: Document, node: yaml.Node | None) -> tuple[list[str], list[str]]:
    if node is None:
        return [], []
    entries = doc.mapping(node, "applies", ("platforms", "regions"))
    platforms, regions = [], []
    for item in doc.sequence(entries["platforms"], "platforms", 16) if "platforms" in entries else []:
        try:
            platforms.append(doc.choice(item, "platform", PLATFORMS))
        except Missing:
            continue
    for item in doc.sequence(entries["regions"], "regions", 64) if "regions" in entries else []:
        try:
            regions.append(doc.matching(item, "region", REGION, "two capitals after ISO 3166 such as CN"))
        except Missing:
            continue
    return platforms, regions


def _rule(
    doc: Document, node: yaml.Node, defaults: dict[str, yaml.Node], ref: PolicyRef, exempt: tuple[Exemption, ...]
) -> Rule:
    """One rule, `exempt` by its policy. Each part is read even when another is wrong, so that all problems come out."""
    own = doc.open_mapping(node, "a rule")
    rule_id = doc.matching(doc.need(own, "id", node, "a rule"), "id", RULE_ID, "capitals such as WX-AVATAR-01")
    doc.rule = rule_id
    doc.mapping(node, "the rule", RULE_KEYS)
    entries = {**defaults, **own}
    before = len(doc.problems)

    def part(key: str, read: Callable[[yaml.Node], T], default: T | None = None) -> T:
        if key not in entries and default is not None:
            return default
        try:
            return read(doc.need(entries, key, node, "the rule"))
        except Missing:
            return cast("T", None)  # never used: the rule is dropped below

    nobody: tuple[Exemption, ...] = ()
    own_exempt = part("exemptions", lambda n: read_exemptions(doc, n), nobody) or nobody
    rule = Rule(
        id=rule_id,
        title=part("title", lambda n: doc.text(n, "title", 200)),
        policy=ref,
        basis=part("basis", lambda n: _basis(doc, n)),
        scope=cast(Scope, part("scope", lambda n: doc.choice(n, "scope", ("selling", "any")), "selling")),
        severity=part("severity", lambda n: doc.integer(n, "severity", 1, 5)),
        when=part("when", lambda n: _condition(doc, n, "when")),
        exempt=part("exempt", lambda n: _condition(doc, n, "exempt"), NEVER),
        ladder=part("ladder", lambda n: _ladder(doc, n)),
        escalate_after_ms=part("escalate_after", lambda n: doc.duration_ms(n, "escalate_after"), ESCALATE_AFTER_MS),
        clear_after_ms=part("clear_after", lambda n: doc.duration_ms(n, "clear_after"), CLEAR_AFTER_MS),
        cooldown_ms=part("cooldown", lambda n: doc.duration_ms(n, "cooldown"), COOLDOWN_MS),
        remember_ms=part("remember", lambda n: _remember(doc, n), REMEMBERED_MS),
        rollout=part("rollout", lambda n: _rollout(doc, n), Rollout("live", 100)),
        caps=part("caps", lambda n: _caps(doc, n), Caps()),
        pause=part("pause", lambda n: _pause(doc, n), Pause()),
        review_sample_percent=part(
            "review_sample_percent", lambda n: doc.integer(n, "review_sample_percent", 0, 100), REVIEW_SAMPLE_PERCENT
        ),
        exemptions={(one.whom, one.id): one for one in (*exempt, *own_exempt)},
        cases=part("tests", lambda n: _cases(doc, n)),
        file=doc.file,
        line=node.start_mark.line + 1,
    )
    if len(doc.problems) > before:
        raise Missing(rule_id)
    if rule.basis.status != "in_force" and rule.rollout.mode == "live":
        raise doc.note(
            own["basis"],
            f"a basis that is '{rule.basis.status}' may not punish; set rollout: {{mode: shadow, percent: 100}}",
        )
    return rule


def _condition(doc: Document, node: yaml.Node, what: str) -> Program:
    program = doc.expression(node, what)
    try:
        program.holds(nothing_known(0))
    except RuleError as error:
        raise doc.note(
            node, f"{what}: {error} in a room of which nothing is known; guard it, such as 'x > 0 && y / x > 2'"
        ) from None
    return program


def _basis(doc: Document, node: yaml.Node) -> Basis:
    entries = doc.mapping(node, "basis", BASIS_KEYS)
    need = {key: doc.need(entries, key, node, "basis") for key in BASIS_KEYS}
    return Basis(
        text=doc.text(need["text"], "basis text"),
        source=doc.text(need["source"], "basis source"),
        status=cast(Status, doc.choice(need["status"], "basis status", STATUSES)),
        since=doc.matching(need["since"], "basis date", DATE, "a date such as 2024-06-17"),
        sureness=doc.choice(need["sureness"], "sureness", SURENESSES),  # type: ignore[arg-type]
    )


def _ladder(doc: Document, node: yaml.Node) -> tuple[tuple[Recommendation, ...], ...]:
    steps = doc.sequence(node, "ladder", STEPS_MAX)
    if not steps:
        raise doc.note(node, "ladder is empty, expected at least one action")
    return tuple(
        tuple(_wish(doc, item) for item in doc.sequence(step, "a step", 8))
        if isinstance(step, yaml.SequenceNode)
        else (_wish(doc, step),)
        for step in steps
    )


def _wish(doc: Document, node: yaml.Node) -> Recommendation:
    if not isinstance(node, yaml.MappingNode):
        return Recommendation(doc.choice(node, "action", ACTIONS))
    entries = doc.mapping(node, "an action", ("action", "for"))
    action = doc.choice(doc.need(entries, "action", node, "an action"), "action", ACTIONS)
    return Recommendation(action, doc.duration_ms(entries["for"], "for") if "for" in entries else 0)


def _remember(doc: Document, node: yaml.Node) -> int:
    remember_ms = doc.duration_ms(node, "remember")
    if remember_ms > REMEMBERED_MS:
        raise doc.note(node, f"remember is longer than {REMEMBERED_MS // DAY_MS}d, for which a history is kept")
    return remember_ms


def _rollout(doc: Document, node: yaml.Node) -> Rollout:
    entries = doc.mapping(node, "rollout", ("mode", "percent"))
    mode = doc.choice(doc.need(entries, "mode", node, "rollout"), "mode", ("live", "shadow"))
    percent = doc.integer(entries["percent"], "percent", 0, 100) if "percent" in entries else 100
    return Rollout(cast(Mode, mode), percent)


def _caps(doc: Document, node: yaml.Node) -> Caps:
    entries = doc.mapping(node, "caps", ("per_hour", "per_day", "on_exceed"))
    if "on_exceed" in entries:
        doc.choice(entries["on_exceed"], "on_exceed", ("park",))
    per_hour, per_day = (
        doc.integer(entries[key], key, 1, 10_000_000) if key in entries else None for key in ("per_hour", "per_day")
    )
    return Caps(per_hour, per_day)


def _pause(doc: Document, node: yaml.Node) -> Pause:
    entries = doc.mapping(node, "pause", ("rooms", "times"))
    rooms = doc.integer(doc.need(entries, "rooms", node, "pause"), "rooms", 1, 10_000_000)
    return Pause(rooms, doc.integer(entries["times"], "times", 2, 1_000) if "times" in entries else Pause().times)


def _cases(doc: Document, node: yaml.Node) -> tuple[Case, ...]:
    cases = tuple(read_case(doc, item) for item in doc.sequence(node, "tests", CASES_MAX))
    if not any(case.expect for case in cases):
        raise doc.note(node, "no test expects the rule to open; add one with given and expect: [action]")
    if all(case.expect or case.of for case in cases):
        raise doc.note(node, "no test expects the rule to stay quiet; add one with expect: none")
    return cases
