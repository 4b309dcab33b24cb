"""The policies a worker knows, and which of them hold in a room at a moment of event time.

A version holds from its `effective_from_ms` on, by the event time of each room, until a higher version of the same
policy does: every worker, and every replay, switches at the same event. A policy that was published holds in place of
the file of the same name from then on, whatever the file's version.
"""

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

from worker.audit.facts import FACT_BIT, LEVEL_BIT
from worker.policy.inputs import fact_mask
from worker.policy.keyring import Keyring
from worker.policy.model import Policy, Rule


class Active(Struct, frozen=True):
    """The rules that hold, in order of (policy, rule); `masks[i]` are the bits of `Room.changed` that rule i reads.

    `shares` are the names that rules ask the share of, `shares_mask` the bits after which those may have changed.
    `offset` is that of the newest of their policies in the policies' topic, None when all came from files.
    """

    rules: tuple[Rule, ...]
    masks: tuple[int, ...]
    mask: int
    ids: frozenset[str]
    shares: tuple[str, ...]
    shares_mask: int
    offset: int | None


class PolicyBook:
    """All versions of all policies; immutable.

    Attributes:
        keyring: who may sign what is taken by this book; None: it takes all, and its records say so.
    """

    def __init__(self, policies: Iterable[Policy], keyring: Keyring | None = None) -> None:
        self.keyring = keyring
        self.policies = tuple(sorted(policies, key=lambda p: (p.ref.id, p.offset is not None, p.ref.version)))
        self._switches = sorted({policy.effective_from_ms for policy in self.policies})
        self._active: dict[tuple[str, str, int], Active] = {}

    def active(self, platform: str, region: str, at_ms: int) -> Active:
        """The rules that hold for rooms of a platform and region at event time `at_ms`."""
        epoch = bisect_right(self._switches, at_ms)
        key = (platform, region, epoch)
        found = self._active.get(key)
        if found is None:
            found = self._resolve(platform, region, at_ms)
            if len(self._active) < 4096:  # regions come from outside
                self._active[key] = found
        return found

    def rule(self, rule_id: str, at_ms: int) -> Rule | None:
        """The rule of that id as it was last in force up to event time `at_ms`, in whatever rooms.

        What takes effect later does not count: a worker that knows it already must say the same as one that does not.
        """
        for policy in reversed(self.policies):
            for rule in policy.rules if policy.effective_from_ms <= at_ms else ():
                if rule.id == rule_id:
                    return rule
        return None

    def _resolve(self, platform: str, region: str, at_ms: int) -> Active:
        in_force = {p.ref.id: p for p in self.policies if p.effective_from_ms <= at_ms}
        chosen: dict[str, Policy] = {}
        waiting = [
            name for name, p in in_force.items() if platform in p.platforms and (not p.regions or region in p.regions)
        ]
        while waiting:
            name = waiting.pop()
            if name in chosen or name not in in_force:
                continue
            parent = in_force[name]
            if parent.regions and region not in parent.regions:
                continue
            chosen[name] = parent
            waiting += parent.inherits
        rules = sorted((rule for p in chosen.values() for rule in p.rules), key=lambda r: (r.policy.id, r.id))
        masks = tuple(map(mask_of, rules))
        union = 0
        for mask in masks:
            union |= mask
        offset = max((p.offset for p in chosen.values() if p.offset is not None), default=None)
        shares = sorted({name for rule in rules for name, _ in rule.when.shares + rule.exempt.shares})
        shares_mask = fact_mask(frozenset(name.partition(".")[0] for name in shares))
        return Active(
            tuple(rules), masks, union, frozenset(rule.id for rule in rules), tuple(shares), shares_mask, offset
        )


def mask_of(rule: Rule) -> int:
    """The bits of `Room.changed` after which a rule must be looked at."""
    mask = fact_mask(rule.when.facts | rule.exempt.facts)
    if rule.when.families or rule.exempt.families:
        mask |= LEVEL_BIT
    if rule.scope == "selling":
        mask |= FACT_BIT["room"]
    return mask
