"""Policies as options name them. What cannot be read or is wrong is wrong usage: exit code 2."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.files import INPUT_DIRECTORY

if TYPE_CHECKING:
    from worker.policy.book import PolicyBook
    from worker.policy.feed import PolicyFeed
    from worker.policy.model import Problem
    from worker.tools.roomlog import LogRecord

POLICIES = click.option(
    "--policies", type=INPUT_DIRECTORY, help="Directory of policy files.  [default: those that ship]"
)


def policies_or_usage_error(directory: Path | None) -> "PolicyBook":
    """Return the policies of `directory`, or those that ship."""
    from worker.policy.model import PolicyErrors
    from worker.resources import POLICIES_DIR
    from worker.tools.policyfiles import read_policies

    try:
        return read_policies(directory or POLICIES_DIR)
    except (PolicyErrors, FileNotFoundError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def texts_or_usage_error(paths: Iterable[Path]) -> dict[str, str]:
    """Return name → text of policy files, those that ship for no path."""
    from worker.resources import POLICIES_DIR
    from worker.tools.policyfiles import read_texts

    try:
        return read_texts(tuple(paths) or (POLICIES_DIR,))
    except (FileNotFoundError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def load(paths: Iterable[Path]) -> "tuple[PolicyBook | None, tuple[Problem, ...], dict[str, str]]":
    """Return the policies of some files, those that ship for no path; or what is wrong with them. And the texts."""
    from worker.policy.load import load_policies
    from worker.policy.model import PolicyErrors

    texts = texts_or_usage_error(paths)
    try:
        return load_policies(texts), (), texts
    except PolicyErrors as errors:
        return None, errors.problems, texts


def published(book: "PolicyBook", path: Path) -> "PolicyFeed":
    """Return `book` with what a policies' topic, kept in a file, adds to it."""
    from worker.tools.roomlog import RoomLogError, read

    try:
        return with_published(book, read(path))
    except RoomLogError as error:
        raise click.UsageError(str(error)) from error


def with_published(book: "PolicyBook", records: "Iterable[LogRecord]") -> "PolicyFeed":
    """Return `book` with what records of a policies' topic add to it; name refused ones on stderr."""
    from worker.cli.terminal import note
    from worker.policy.feed import PolicyFeed
    from worker.settings import root_keys
    from worker.topics import POLICIES_TOPIC

    feed = PolicyFeed(book, root_keys(os.environ))
    for record in records:
        for problem in feed.take(record, topic=POLICIES_TOPIC):
            note(f"policy refused: {problem}")
    return feed
