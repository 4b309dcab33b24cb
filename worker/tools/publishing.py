"""What is published as links: policies from files, the baseline of an earlier release, and keyrings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from worker.policy.chain import BASELINE, KEYRING, Baseline, Listed, write
from worker.policy.document import Missing
from worker.policy.feed import PolicyFeed
from worker.policy.keyring import Key, Keyring, write_keyring
from worker.policy.load import read_published
from worker.policy.model import PolicyErrors, Problem
from worker.policy.wire import as_document
from worker.tools.policytopic import Entries, PolicyTopicError, Published

BASELINE_BYTES_MAX = 900_000

Make = Callable[[PolicyFeed, list[Published]], Entries]


def policies(files: tuple[Path, ...]) -> Make:
    """Links for policy files, those that are inherited first; on a new topic a baseline before them.

    What it makes raises PolicyErrors, with places in the files, when any of them would be refused.
    """
    texts = _parents_first({str(file): file.read_text("utf-8") for file in files})

    def make(feed: PolicyFeed, _there: list[Published]) -> Entries:
        _check_baseline(feed)
        entries: Entries = [] if feed.has_baseline else [(BASELINE, write(Baseline(policies=())))]
        known, problems = list(feed.book.policies), list[Problem]()
        for file, text in texts:
            name = str(_parsed(file, text).get("policy", ""))
            newest = max((p.ref.version for p in known if p.ref.id == name), default=0)
            try:
                found = read_published(
                    file, text, name=name, above_version=newest, offset=feed.next_offset, others=known
                )
            except PolicyErrors as errors:
                problems += errors.problems
                continue
            known.append(found)
            entries.append((name.encode(), as_document(file, text).encode()))
        if problems:
            raise PolicyErrors(problems)
        return entries

    return make


def baseline(feed: PolicyFeed, there: list[Published]) -> Entries:
    """A link that holds what an earlier release has published. Raises PolicyTopicError when there is one already."""
    if feed.has_baseline:
        raise PolicyTopicError("this topic has a baseline already; nothing to do")
    by_offset = {record.offset: record for record in there}
    listed = []
    for offset in sorted(p.offset for p in feed.book.policies if p.offset is not None):
        record = by_offset[offset]
        listed.append(Listed(offset, record.timestamp, (record.value or b"").decode()))
    value = write(Baseline(policies=tuple(listed)))
    if len(value) > BASELINE_BYTES_MAX:
        raise PolicyTopicError(
            f"what is published takes {len(value)} bytes, and a baseline at most {BASELINE_BYTES_MAX}: "
            "withdraw policies that are no longer used"
        )
    return [(BASELINE, value)]


def added_key(key: Key) -> Make:
    """A keyring with one more key."""
    return _keyring(lambda keys: (*(one for one in keys if one.kid != key.kid), key))


def revoked_key(kid: str, at_ms: int) -> Make:
    """A keyring in which a key counts no more. What it makes raises PolicyTopicError when there is no such key."""

    def revoke(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if all(one.kid != kid or one.revoked_ms is not None for one in keys):
            raise PolicyTopicError(f"no key {kid} counts now; `keys ls` lists them")
        return tuple(replace(one, revoked_ms=at_ms) if one.kid == kid else one for one in keys)

    return _keyring(revoke)


def _keyring(change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> Make:
    def make(feed: PolicyFeed, _there: list[Published]) -> Entries:
        known = feed.book.keyring or Keyring(version=1, keys=())
        version = known.version + 1 if feed.book.keyring else 1
        return [(KEYRING, write_keyring(Keyring(version=version, keys=change(known.keys))))]

    return make


def _check_baseline(feed: PolicyFeed) -> None:
    if not feed.has_baseline and any(p.offset is not None for p in feed.book.policies):
        raise PolicyTopicError(
            "this topic holds policies of an earlier release: run `stream-audit policy baseline` once, then push again"
        )


def _parsed(file: str, text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(as_document(file, text))
    except (Missing, AssertionError):
        return {}  # the check of the file says what is wrong
    return found


def _parents_first(files: dict[str, str]) -> list[tuple[str, str]]:
    waiting = {file: _parsed(file, text) for file, text in sorted(files.items())}
    ordered: list[tuple[str, str]] = []
    while waiting:
        names = {str(document.get("policy")) for document in waiting.values()}
        free = [file for file, document in waiting.items() if not names & set(document.get("inherits", ()))]
        for file in free or list(waiting):  # a circle: the check of the files says so
            ordered.append((file, files[file]))
            del waiting[file]
    return ordered
