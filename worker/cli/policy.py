"""`stream-audit policy`: check, test and compare policies on this machine; publish them and list what is published."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.book import texts_or_usage_error
from worker.cli.files import INPUT_DIRECTORY, INPUT_FILE, INPUT_PATH
from worker.cli.groups import Group
from worker.cli.policy_backtest import backtest
from worker.cli.terminal import Screen, note
from worker.topics import POLICIES_TOPIC

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook
    from worker.policy.model import Policy, Problem, Rule

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


def _load(paths: tuple[Path, ...]) -> "tuple[PolicyBook | None, tuple[Problem, ...], dict[str, str]]":
    from worker.policy.load import load_policies
    from worker.policy.model import PolicyErrors

    texts = texts_or_usage_error(paths)
    try:
        return load_policies(texts), (), texts
    except PolicyErrors as errors:
        return None, errors.problems, texts


@policy.command(epilog=CHECK_EXAMPLE)
@PATHS
@AS_JSON
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """Compile policies and run the tests that stand in them.

    PATHS are files or directories; policies that are inherited must be among them. Exit code 1 when anything is
    wrong; every problem is listed as file:line:column. Exemptions that have ended are warned about.
    """
    book, problems, texts = _load(paths)
    ended = _ended(book) if book else []
    if as_json:
        _print_check_json(book, problems, ended)
    else:
        _print_check(book, problems, texts)
        for warning in ended:
            note(f"warning: {warning}")
    ctx.exit(1 if problems else 0)


def _ended(book: "PolicyBook") -> list[str]:
    """Exemptions that have ended by now, with their places."""
    from worker import clock
    from worker.cli.policy_topic import exemptions_of, utc
    from worker.policy.model import Problem

    return [
        str(Problem(p.file, one.line, one.column, "", f"the exemption of {one.whom} {one.id} ended at "
                                                      f"{utc(one.until_ms)}; remove it"))
        for p in book.policies for one in exemptions_of(p) if one.until_ms <= clock.now_ms()
    ]  # fmt: skip


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
    results = [result for p, rule in chosen for result in _run(p, rule)]
    failed = sum(not result["ok"] for result in results)
    screen = Screen()
    if as_json:
        screen.json({"tests": results, "failed": failed})
    else:
        for r in results:
            said = f"{r['rule']:<16} {r['file']}:{r['line']}  {r['got']} ({r['why']})"
            screen.line(f"ok   {said}" if r["ok"] else f"FAIL {said}", style="" if r["ok"] else "red")
            if not r["ok"]:
                screen.line(f"     expected {r['expected']}")
        screen.line(f"{len(results) - failed} passed, {failed} failed")
    ctx.exit(1 if failed else 0)


def _run(owner: "Policy", rule: "Rule") -> list[dict[str, object]]:
    from worker.policy.cases import outcome
    from worker.policy.compile import RuleError

    results: list[dict[str, object]] = []
    for case in rule.cases:
        try:
            actions, why = outcome(rule, case, owner)
            ok = actions == case.expect
        except RuleError as error:
            actions, why, ok = (), f"the expression failed: {error}", False
        result: dict[str, object] = {"rule": rule.id, "file": rule.file, "line": case.line, "ok": ok}
        got, expected = ("none" if not a else ", ".join(a) for a in (actions, case.expect))
        results.append({**result, "got": got, "expected": expected, "why": why})
    return results


BOOTSTRAP_HELP = "Kafka broker(s), comma-separated."
TOPIC = click.option("--topic", default=POLICIES_TOPIC, show_default=True, help="The policies' topic.")
BASE = click.option(
    "--policies",
    "base",
    type=INPUT_DIRECTORY,
    help="Directory of the files that the workers have.  [default: those that ship]",
)
FILES = click.argument("files", nargs=-1, required=True, type=INPUT_FILE)


def _base(directory: Path | None) -> "PolicyBook":
    book, problems, _ = _load((directory,) if directory else ())
    if book is None:
        raise click.UsageError("the files that workers have are wrong themselves: " + str(problems[0]))
    return book


@policy.command(epilog="Example: stream-audit policy push wechat_channels.yaml --bootstrap 127.0.0.1:9092")
@FILES
@click.option("--bootstrap", required=True, metavar="HOST:PORT", help=BOOTSTRAP_HELP)
@TOPIC
@BASE
@click.option("--dry-run", is_flag=True, help="Check against the topic, send nothing.")
@AS_JSON
@click.pass_context
def push(
    ctx: click.Context, files: tuple[Path, ...], bootstrap: str, topic: str, base: Path | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Publish policies to every worker that runs with STREAM_AUDIT_POLICIES=topic.

    All FILES are checked first, as every worker will check them, on top of what is published already; when one is
    wrong, nothing is sent, and every problem is listed as file:line:column. Versions must rise, and
    effective_from_ms must be a minute or more from now. Exit code 1 when anything was refused.
    """
    from worker.cli import policy_topic
    from worker.policy.model import PolicyErrors

    try:
        sent = policy_topic.push(files, _base(base), bootstrap, topic, dry_run=dry_run)
    except PolicyErrors as errors:
        for problem in errors.problems:
            note(str(problem))
        ctx.exit(1)
    listed = [{"policy": (r.key or b"").decode(), "offset": None if dry_run else r.offset} for r in sent]
    screen = Screen()
    if as_json:
        screen.json({"topic": topic, "published": listed})
        return
    for row in listed:
        where = "would be published; nothing was sent" if dry_run else f"published at {topic}@{row['offset']}"
        screen.line(f"{row['policy']}: {where}")


@policy.command(name="ls", epilog="Example: stream-audit policy ls --bootstrap 127.0.0.1:9092")
@click.option("--bootstrap", metavar="HOST:PORT", help=BOOTSTRAP_HELP + " Without it: files alone.")
@TOPIC
@BASE
@AS_JSON
def list_(bootstrap: str | None, topic: str, base: Path | None, as_json: bool) -> None:
    """List every version that workers know: from files and, with --bootstrap, from the topic; and what they refuse."""
    from worker import clock
    from worker.cli import policy_topic

    records = policy_topic.read_topic(bootstrap, topic) if bootstrap else []
    feed, refused = policy_topic.follow(_base(base), records, topic)
    rows = policy_topic.rows(feed, clock.now_ms())
    screen = Screen()
    if as_json:
        screen.json({"policies": rows, "refused": [r._asdict() for r in refused]}, indent=None)
        return
    cells = []
    for row in rows:
        exempt = str(row["exemptions"]) + (f" ({row['exemptions_ended']} ended)" if row["exemptions_ended"] else "")
        holds_from = policy_topic.utc(row["effective_from_ms"])
        cells.append((row["policy"], row["version"], holds_from, row["state"], row["rules"], exempt, row["from"]))
    names = ("policy", "version", "holds from", "state", "rules", "exempt", "from")
    screen.table(names, cells, right=("version", "rules"), fold=("holds from", "from"))
    for record in refused:
        screen.line(f"refused: {record.why}")


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


policy.add_command(backtest)
