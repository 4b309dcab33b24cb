"""Policy files on disk: their texts, the book they make, and what their own tests and exemptions say."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from worker.policy.book import PolicyBook
from worker.policy.cases import outcome
from worker.policy.compile import RuleError
from worker.policy.load import load_policies
from worker.policy.model import Exemption, Policy, Problem, Rule
from worker.resources import POLICIES_DIR
from worker.tools.times import time_of


def read_texts(paths: Iterable[Path] = (POLICIES_DIR,)) -> dict[str, str]:
    """Name → text of policy files; a directory stands for the .yaml files in it (default: those that ship).

    Raises FileNotFoundError when there is none, ValueError when a file is not UTF-8; the message says which.
    """
    chosen = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not chosen:
        raise FileNotFoundError(f"no policy file (*.yaml) in {', '.join(map(str, paths))}")
    texts = {}
    for file in chosen:
        name = file.name if file.parent == POLICIES_DIR else str(file)
        try:
            texts[name] = file.read_text("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{file} is not UTF-8 text") from None
    return texts


def read_policies(directory: Path = POLICIES_DIR) -> PolicyBook:
    """The policies in the YAML files of `directory` (default: those that ship).

    Raises PolicyErrors with every problem found; as `read_texts`.
    """
    return load_policies(read_texts([directory]))


def exemptions_of(policy: Policy) -> list[Exemption]:
    """All exemptions of a policy and its rules, each once, in the order of the file."""
    found = {(one.line, one.column): one for rule in policy.rules for one in rule.exemptions.values()}
    return [found[place] for place in sorted(found)]


def ended_exemptions(book: PolicyBook, now_ms: int) -> list[Problem]:
    """Exemptions that have ended by `now_ms`, with their places and what to do."""
    return [
        Problem(p.file, one.line, one.column, "",
                f"the exemption of {one.whom} {one.id} ended at {time_of(one.until_ms)}; remove it")
        for p in book.policies for one in exemptions_of(p) if one.until_ms <= now_ms
    ]  # fmt: skip


class Tested(NamedTuple):
    """What came of one test that stands in a policy; actions in words."""

    rule: str
    file: str
    line: int
    ok: bool
    got: str
    expected: str
    why: str


def run_tests(owner: Policy, rule: Rule) -> Iterator[Tested]:
    """Run the tests of a rule, in the order of the file."""
    for case in rule.cases:
        try:
            actions, why = outcome(rule, case, owner)
            ok = actions == case.expect
        except RuleError as error:
            actions, why, ok = (), f"the expression failed: {error}", False
        got, expected = ("none" if not a else ", ".join(a) for a in (actions, case.expect))
        yield Tested(rule.id, rule.file, case.line, ok, got, expected, why)
