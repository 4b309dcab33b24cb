"""`stream-audit policy`: check, test and compare policies on this machine; publish them and list what is published."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker import clock
from worker.cli.book import load, texts_or_usage_error
from worker.cli.files import INPUT_PATH
from worker.cli.groups import Group
from worker.cli.policy_backtest import backtest
from worker.cli.policy_topic import baseline, list_, push, switch
from worker.cli.terminal import Screen, note
from worker.tools.policyfiles import ended_exemptions, run_tests

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook
    from worker.policy.model import Problem

CHECK_EXAMPLE = """
\b
Examples:
  stream-audit policy check                        the policies that ship
  stream-audit policy check my_platform.yaml common_cn.yaml
  stream-audit policy check policies/ --json
"""
TEST_EXAMPLE = """
\b
Examples:
  stream-audit policy test
  stream-audit policy test -k WX-AVATAR
  stream-audit policy test policies/ -k DY --json
"""
PATHS = click.argument("paths", nargs=-1, type=INPUT_PATH)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the table.")


@click.group(cls=Group, epilog="Example: stream-audit policy diff old.yaml new.yaml")
def policy() -> None:
    """Check, test, compare and publish policies."""


@policy.command(epilog=CHECK_EXAMPLE)
@PATHS
@AS_JSON
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """Compile policies and run the tests that stand in them.

    PATHS are files or directories; policies that are inherited must be among them. Exit code 1 when anything is
    wrong; every problem is listed as file:line:column. Exemptions that have ended are warned about.
    """
    book, problems, texts = load(paths)
    ended = [str(problem) for problem in ended_exemptions(book, clock.now_ms())] if book else []
    if as_json:
        _print_check_json(book, problems, ended)
    else:
        _print_check(book, problems, texts)
        for warning in ended:
            note(f"warning: {warning}")
    ctx.exit(1 if problems else 0)


def _print_check_json(book: "PolicyBook | None", problems: "tuple[Problem, ...]", ended: list[str]) -> None:
    policies = [
        {
            "policy": p.ref.id,
            "version": p.ref.version,
            "sha256": p.ref.sha256,
            "file": p.file,
            "rules": len(p.rules),
            "tests": sum(len(rule.cases) for rule in p.rules),
        }
        for p in (book.policies if book else ())
    ]
    listed = [{"file": p.file, "line": p.line, "column": p.column, "rule": p.rule, "what": p.what} for p in problems]
    answer = {"policies": policies, "problems": listed, "warnings": ended}
    Screen().json(answer)


def _print_check(book: "PolicyBook | None", problems: "tuple[Problem, ...]", texts: dict[str, str]) -> None:
    rows: list[tuple[object, ...]]
    if book is not None:
        rows = [
            (
                p.ref.id,
                p.ref.version,
                len(p.rules),
                sum(rule.rollout.mode == "shadow" for rule in p.rules),
                sum(len(rule.cases) for rule in p.rules),
                "ok",
            )
            for p in book.policies
        ]
    else:
        bad = {problem.file for problem in problems}
        rows = [(file, "", "", "", "", "refused" if file in bad else "not loaded") for file in sorted(texts)]
    numbers = ("version", "rules", "shadow", "tests")
    Screen().table(("policy", *numbers, "status"), rows, right=numbers, fold=("policy",))
    for problem in problems:
        note(str(problem))


@policy.command(epilog=TEST_EXAMPLE)
@PATHS
@click.option("-k", "keyword", default="", metavar="TEXT", help="Only rules whose id contains TEXT.")
@AS_JSON
@click.pass_context
def test(ctx: click.Context, paths: tuple[Path, ...], keyword: str, as_json: bool) -> None:
    """Run the tests that stand in policies, one line each."""
    from worker.policy.load import load_policies
    from worker.policy.model import PolicyErrors

    try:
        book = load_policies(texts_or_usage_error(paths), run_tests=False)
    except PolicyErrors as errors:
        for problem in errors.problems:
            note(str(problem))
        ctx.exit(1)
    chosen = [(p, rule) for p in book.policies for rule in p.rules if keyword.upper() in rule.id]
    if not chosen:
        raise click.UsageError(f"no rule's id contains '{keyword}'")
    results = [result for p, rule in chosen for result in run_tests(p, rule)]
    failed = sum(not result.ok for result in results)
    screen = Screen()
    if as_json:
        screen.json({"tests": [result._asdict() for result in results], "failed": failed})
    else:
        for r in results:
            said = f"{r.rule:<16} {r.file}:{r.line}  {r.got} ({r.why})"
            screen.line(f"ok   {said}" if r.ok else f"FAIL {said}", style="" if r.ok else "red")
            if not r.ok:
                screen.line(f"     expected {r.expected}")
        screen.line(f"{len(results) - failed} passed, {failed} failed")
    ctx.exit(1 if failed else 0)


@policy.command(epilog="Example: stream-audit policy diff worker/policies new_policies --json")
@click.argument("old", type=INPUT_PATH)
@click.argument("new", type=INPUT_PATH)
@AS_JSON
@click.pass_context
def diff(ctx: click.Context, old: Path, new: Path, as_json: bool) -> None:
    """Say in words what differs between two policy files, or two directories of them.

    Defaults are filled in first, and spacing, comments and order do not count. Exit code 1 when anything differs.
    """
    import msgspec

    from worker.policy.diff import compare
    from worker.policy.document import Missing

    try:
        changes = compare(texts_or_usage_error([old]), texts_or_usage_error([new]))
    except Missing as error:
        raise click.UsageError(f"{error}; `stream-audit policy check` says where") from None
    screen = Screen()
    if as_json:
        screen.json({"changes": msgspec.to_builtins(changes)})
    else:
        for change in changes:
            screen.line(change.words())
        screen.line(f"{len(changes)} differences" if changes else "the same rules")
    ctx.exit(1 if changes else 0)


for command in (backtest, push, baseline, switch, list_):
    policy.add_command(command)
