"""`explain`: one violation in words and numbers, and the proof that it follows from the room's log."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.book import POLICIES, policies_or_usage_error, published, with_published
from worker.cli.files import INPUT_FILE, INPUT_PATH, places_or_usage_error
from worker.cli.logs import reading_a_violation, tell_faults

if TYPE_CHECKING:
    from worker.cli.terminal import Screen
    from worker.policy.book import PolicyBook
    from worker.tools.replay import ViolationLine
    from worker.tools.roomlog import LogRecord

BAR_CELLS = 30
WITHOUT_BAR_CELLS = 67  # of the table of evidence


@click.command(name="explain")
@click.argument("violation_id", metavar="ID")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=INPUT_PATH,
    help="A directory that `demo` wrote, a file of violations, or a room log; repeatable.  [default: build/demo]",
)
@click.option("--bootstrap", metavar="HOST:PORT", help="Look in Kafka: live.audit.violations, live.room.events.")
@POLICIES
@click.option(
    "--policy-log",
    type=INPUT_FILE,
    help="Records of live.audit.policies, one JSON record a line.  [with --bootstrap: the topic, when it was in force]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(
    violation_id: str, sources: tuple[Path, ...], bootstrap: str | None, policies: Path | None,
    policy_log: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Say why a violation was emitted, and recompute it from the room's log.

    ID is the violation's id, or as much of its beginning as is unique. Exit code 0: it comes out again, identical to
    the byte; 1: it does not, or cannot be found; then the differences are listed.

    \b
    Example:
      stream-audit explain k3f7q2 --from build/demo
      stream-audit explain k3f7q2 --bootstrap localhost:9092
    """
    import msgspec

    from worker.partition.rooms import BreakerTripped
    from worker.tools.kafkalog import KafkaLog, KafkaLogError
    from worker.tools.lookup import Files, NotFoundError, find_in_kafka, log_in_kafka
    from worker.tools.roomlog import Faults, RoomLogError
    from worker.topics import POLICIES_TOPIC

    if bootstrap and sources:
        raise click.UsageError("--from and --bootstrap exclude each other.")
    book = policies_or_usage_error(policies)
    if policy_log:
        book = published(book, policy_log)
    faults = Faults()
    try:
        with ExitStack() as stack:
            stack.enter_context(reading_a_violation())
            stack.callback(tell_faults, faults)
            if bootstrap:
                kafka = stack.enter_context(KafkaLog(bootstrap))
                line = find_in_kafka(kafka, violation_id)
                violation: dict[str, Any] = msgspec.json.decode(line.value)
                if violation["control"]["policies"] is not None and not policy_log:
                    book = with_published(book, list(kafka.read(POLICIES_TOPIC)))
                # What was upheld in former sessions stands before this one in the log.
                records = log_in_kafka(kafka, violation, whole="began_at_step" in violation["facts"].get("history", ()))
            else:
                files = Files.sort(places_or_usage_error(sources), faults)
                line = files.find(violation_id)
                violation = msgspec.json.decode(line.value)
                records = files.log_of(violation)
            verdict, found = _recomputed(line, violation, records, book)
    except (NotFoundError, KafkaLogError, RoomLogError, BreakerTripped) as error:
        raise click.ClickException(str(error)) from error
    from worker.cli.terminal import Screen

    screen = Screen()
    if as_json:
        screen.json({"violation": violation, "recomputed": verdict, "differences": found})
    else:
        with reading_a_violation():
            show(screen, violation)
        _print_verdict(screen, verdict, found)
    if verdict != "identical":
        raise SystemExit(1)


def _recomputed(
    line: "ViolationLine", violation: dict[str, Any], records: Iterator["LogRecord"], book: "PolicyBook"
) -> tuple[str, list[str]]:
    """("identical" | "different" | "missing" | "no log", differences)."""
    from worker.policy.judge import Judge
    from worker.tools.lookup import differences, recompute

    judge = Judge(book)
    first = next(records, None)
    if first is None:
        return "no log", [f"no record of room {violation['room_id']} in the logs given; name its log with --from"]
    again = recompute(judge, _chained(first, records), violation["violation_id"])
    if again is None:
        return "missing", ["the log and these policies do not lead to this violation"]
    found = differences(line, again)
    if found and violation["transition"] == "parked":
        found.append("caps and pauses count over all rooms of the partition, and only this room's log was read")
    return ("different", found) if found else ("identical", [])


def _chained(first: "LogRecord", rest: Iterator["LogRecord"]) -> Iterator["LogRecord"]:
    yield first
    yield from rest


def _print_verdict(screen: "Screen", verdict: str, found: list[str]) -> None:
    screen.line()
    screen.line(f"recomputed: {verdict}", style="bold green" if verdict == "identical" else "bold red")
    for difference in found:
        screen.line(f"  {difference}")


def time_of(at_ms: int) -> str:
    """Event time in words, UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show(screen: "Screen", violation: dict[str, Any]) -> None:
    """Print the violation: who and when, rule, facts, evidence, counterfactual, excerpts, actions, statement."""
    _show_head(screen, violation)
    if violation["evidence"]:
        _show_evidence(screen, violation)
    _show_counterfactual(screen, violation)
    _show_excerpts(screen, violation)
    _show_actions(screen, violation)
    statement = violation["statement"]
    screen.heading("Statement of reasons")
    for name in ("ground", "facts_text", "redress"):
        screen.line(f"  {statement[name]}")
    how = "automated" if statement["automated_decision"] else "left to a person"
    detected = "automated" if statement["automated_detection"] else "not automated"
    screen.line(f"  detection: {detected}; decision: {how}")


def _show_head(screen: "Screen", violation: dict[str, Any]) -> None:
    rule, basis, policy = violation["rule"], violation["rule"]["basis"], violation["policy"]
    window, log = violation["window"], violation["log"]
    screen.line(f"{rule['id']}  {rule['title']}", style="bold")
    shops = ", ".join(f"{shop['system']} {shop['id']}" for shop in violation["shop_ids"])
    rows = (
        ("violation", f"{violation['violation_id']} ({violation.get('transition')}, step {violation.get('step')})"),
        ("room", f"{violation['room_id']} on {violation['platform']} ({violation['region']})"),
        ("host", violation["host_id"] + (f", shops: {shops}" if shops else "")),
        ("session", violation["session_id"]),
        ("decided", f"{time_of(violation['decided_at_ms'])} (event time)"),
        ("evidence of", f"{time_of(window['start_ms'])} – {time_of(window['end_ms'])}"),
        ("basis", f"{basis['text']} ({basis['status']}, since {basis['since']}; {basis['source']})"),
        ("policy", f"{policy['id']} version {policy['version']}, sha256 {policy['sha256'][:12]}…, {violation['mode']}"),
        ("certainty", f"{violation['certainty']}, severity {rule['severity']} of 5"),
        ("log", f"{log['topic']}[{log['partition']}] offsets {log['first_offset']}–{log['last_offset']}"),
    )
    for name, text in rows:
        screen.line(text, label=f"  {name:<12}")
    if supersedes := violation.get("supersedes"):
        screen.line(supersedes, label=f"  {'supersedes':<12}")
    screen.heading("Facts that the rule read")
    for name, value in violation["facts"].items():
        screen.line(_plain(value), label=f"  {name:<22}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(_named(key, inner) for key, inner in value.items()) or "–"
    if isinstance(value, list):
        return " ".join(map(_plain, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value in ("", None) else str(value)


def _named(key: str, value: object) -> str:
    if key == "since_ms" and isinstance(value, int):
        return f"since {time_of(value)}" if value else "since –"
    return f"{key} {_plain(value)}"


def _show_evidence(screen: "Screen", violation: dict[str, Any]) -> None:
    family, level = violation.get("family"), violation.get("level")
    screen.heading(f"Evidence of family {family} (level {level}), in nats; positive speaks against the room")
    widest = max((abs(entry["nats"]) for entry in violation["evidence"]), default=1.0) or 1.0
    bar_cells = min(BAR_CELLS, max(8, screen.console.width - WITHOUT_BAR_CELLS))
    rows = []
    for entry in violation["evidence"]:
        bets = entry["signal"] not in ("start", "time")
        rows.append((
            f"  {entry['signal']}",
            f"{entry['nats']:+.3f}",
            ("█" if entry["nats"] >= 0 else "░") * round(abs(entry["nats"]) / widest * bar_cells),
            f"{entry['value']:.2f}" if bets else "",
            f"{entry['norm']:.2f}" if bets else "",
            str(entry["blocks"]) if bets else "",
            time_of(entry["since_ms"]),
        ))  # fmt: skip
    total = sum(entry["nats"] for entry in violation["evidence"])
    rows.append(("  ln e", f"{total:+.3f}", "", "", "", "", ""))
    names = ("  signal", "nats", "", "value", "norm", "blocks", "since")
    screen.table(names, rows, right=("nats", "value", "norm", "blocks"), fold=("since",), framed=False)
    log_e, threshold = violation.get("log_e"), violation.get("threshold")
    if log_e is not None and threshold is not None:
        sums = "adds up" if abs(total - log_e) < 1e-6 else f"DOES NOT ADD UP to {log_e:.6f}"
        words = "past" if log_e >= threshold else "below"
        screen.line(f"  {sums}; {words} the threshold of {threshold:.3f} nats")


def _show_counterfactual(screen: "Screen", violation: dict[str, Any]) -> None:
    if violation.get("transition") not in ("opened", "escalated"):
        return
    screen.heading("What would have changed the outcome")
    if not violation["counterfactual"]:
        screen.line("  No single fact or signal: the rule would hold without any one of them.")
    for name in violation["counterfactual"]:
        screen.line(f"  {_sentence(name)}")


def _sentence(name: str) -> str:
    family, _, signal = name.partition(".")
    if name == "history.step":
        return "Without what people upheld before, the ladder would have begun at its first step."
    if signal:
        return f"Without signal '{signal}' of family {family} the rule would not hold."
    if name.isupper():
        return f"Without the evidence of family {name} the rule would not hold."
    return f"Had '{name}' said nothing, the rule would not hold."


def _show_excerpts(screen: "Screen", violation: dict[str, Any]) -> None:
    if not violation["excerpts"]:
        return
    screen.heading("Excerpts (redacted)")
    for excerpt in violation["excerpts"]:
        head = f"  {time_of(excerpt['at_ms'])}  {excerpt['kind']}, offset {excerpt['offset']}:"
        screen.line(f"{head} {excerpt['text']}")


WITHHELD = {
    "certainty": "the evidence is not certain enough for it",
    "cap": "the rule's cap is reached or the rule is paused, so it waits for release",
    "exemption": "the room is exempt",
    "review": "a person has to decide it",
    "rollout": "the rule is in shadow, or not yet rolled out to this room",
}


def _show_actions(screen: "Screen", violation: dict[str, Any]) -> None:
    screen.heading("Recommended")
    for action in violation["actions"]:
        until = f" until {time_of(action['until_ms'])}" if action.get("until_ms") else ""
        place = f" in {action['territory']}" if action.get("territory") else ""
        screen.line(f"  {action['action']}{until}{place}")
    if not violation["actions"]:
        screen.line("  nothing")
    if violation.get("review_sample"):
        screen.line("  review: drawn as a sample of what happens by itself")
    if exempt := violation.get("exemption"):
        until = time_of(exempt["until_ms"])
        screen.line(f"  exempt as {exempt['of']} until {until}: {exempt['reason']}")
    for withheld in violation["withheld"]:
        because = WITHHELD.get(withheld["because"], withheld["because"])
        screen.line(f"  withheld: {withheld['action']}: {because}")
