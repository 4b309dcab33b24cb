"""What is wrong between policies: names, versions, inheritance, ids, and how many rules may meet in one room."""

from typing import get_args

from worker.audit.episode import EPISODES_MAX
from worker.audit.events import Platform
from worker.audit.numbers import whole
from worker.policy.model import Policy, Problem, Rule

PLATFORMS: tuple[str, ...] = get_args(Platform)
RULES_MAX = EPISODES_MAX  # a room keeps one episode a rule


def across(policies: list[Policy], *, complete: bool = True) -> list[Problem]:
    """What is wrong between files: names, versions, inheritance, ids.

    Unless the policies are `complete`, a parent that is not among them may stand in a file that was refused.
    """
    problems: list[Problem] = []

    def note(policy: Policy, what: str, rule: Rule | None = None) -> None:
        line = rule.line if rule else 1
        problems.append(Problem(policy.file, line, 1, rule.id if rule else "", what))

    by_name: dict[str, list[Policy]] = {}
    owner: dict[str, Policy] = {}
    for policy in policies:
        for other in by_name.setdefault(policy.ref.id, []):
            if (other.offset is None) != (policy.offset is None):
                continue  # one ships, the other was published and holds in its place
            if other.ref.version == policy.ref.version:
                note(policy, f"policy {policy.ref.id} version {policy.ref.version} also stands in {other.file}")
            elif (policy.ref.version - other.ref.version) * (policy.effective_from_ms - other.effective_from_ms) < 0:
                note(policy, f"a higher version of {policy.ref.id} may not take effect earlier; see {other.file}")
        by_name[policy.ref.id].append(policy)
        for rule in policy.rules:
            first = owner.setdefault(rule.id, policy)
            if first.ref.id != policy.ref.id:
                note(policy, f"id {rule.id} also stands in {first.file}; ids are unique, rename one", rule)
    for policy in policies:
        for parent in policy.inherits:
            if complete and parent not in by_name:
                known = ", ".join(sorted(by_name))
                note(policy, f"inherits '{parent}', which no file defines, expected one of {known}")
        ancestors = _ancestors(policy.inherits, by_name)
        if policy.ref.id in ancestors:
            through = ", ".join(policy.inherits)
            note(policy, f"policy {policy.ref.id} inherits itself through {through}; break the circle")
    for policy, where, count in _crowded(by_name):
        note(policy, f"with what it inherits and what lies over it, {count} rules may hold in a room of {where}, "
                     f"at most {RULES_MAX} are allowed")  # fmt: skip
    return problems


def _crowded(by_name: dict[str, list[Policy]]) -> list[tuple[Policy, str, int]]:
    """Where more rules may hold in a room than it can keep episodes of: a policy that is to blame, the place, how many.

    Of several versions of a policy, that with the most rules and the widest reach counts.
    """
    largest = {name: max(versions, key=lambda p: len(p.rules)) for name, versions in by_name.items()}
    regions = sorted({region for versions in by_name.values() for p in versions for region in p.regions}) or [""]
    found: dict[str, tuple[Policy, str, int]] = {}
    for platform in PLATFORMS:
        for region in regions:
            holding = _holding(by_name, platform, region)
            count = whole(len(largest[name].rules) for name in holding)
            if count > RULES_MAX:
                blamed = max((largest[name] for name in holding), key=lambda p: (len(p.rules), p.ref.id))
                found.setdefault(blamed.ref.id, (blamed, f"{platform} in {region or 'any region'}", count))
    return list(found.values())


def _holding(by_name: dict[str, list[Policy]], platform: str, region: str) -> set[str]:
    """Names of the policies that may hold in rooms of a platform and region: those that name it, what they inherit."""

    def reaches(name: str) -> bool:
        return any(not p.regions or region in p.regions for p in by_name.get(name, ()))

    direct = {name for name in by_name if reaches(name) and any(platform in p.platforms for p in by_name[name])}
    parents = tuple(parent for name in direct for p in by_name[name] for parent in p.inherits)
    return direct | {name for name in _ancestors(parents, by_name) if reaches(name)}


def _ancestors(inherits: tuple[str, ...], by_name: dict[str, list[Policy]]) -> set[str]:
    """Names of all policies inherited, at first or second hand."""
    seen: set[str] = set()
    waiting = list(inherits)
    while waiting:
        parent = waiting.pop()
        if parent not in seen:
            seen.add(parent)
            waiting += [name for policy in by_name.get(parent, ()) for name in policy.inherits]
    return seen
