"""Releases side by side: state of the same version is gone on from in both directions, of another one never."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from xxhash import xxh3_64_digest

from tests.support.changelog_fixture import (
    HALF,
    LAYOUT,
    SENT,
    changelog_of,
    id_of,
    judged,
    layout,
    log_of,
)
from worker.audit import snapshot
from worker.audit.room import Room
from worker.policy.caps import Ledger
from worker.state import codec
from worker.state.codec import ChangelogError, Write
from worker.state.rooms import RoomStore

FIXTURES = Path(__file__).resolve().parents[1] / "data" / "changelog"
PRESENT = FIXTURES / str(snapshot.VERSION)
PAST = sorted(folder for folder in FIXTURES.iterdir() if folder != PRESENT)


class Recovered(NamedTuple):
    """A changelog record as it is read back."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


def recovered(writes: list[Write]) -> RoomStore:
    store = RoomStore("changelog", 0)
    store.apply(Recovered(offset, w.key, w.value, w.headers) for offset, w in enumerate(writes))
    return store


def test_state_of_the_first_release_of_this_version_is_gone_on_from_without_loss() -> None:
    log = log_of(PRESENT)
    before = set(json.loads((PRESENT / SENT).read_text()))
    after = {id_of(violation) for violation in judged(recovered(changelog_of(PRESENT)), log[HALF:], PRESENT)}
    assert before | after == {id_of(violation) for violation in judged(RoomStore("changelog", 0), log, PRESENT)}
    assert after - before


def differs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Why code of the old layout and code of the new one cannot read each other's state."""
    found = [f"{name} is gone" for name in old.keys() - new.keys()]
    for name in old.keys() & new.keys():
        if new[name][: len(old[name])] != old[name]:
            found.append(f"{name}: fields were changed, moved or removed")
        found += [f"{name}.{field} has no default" for field, _, default in new[name][len(old[name]) :] if not default]
    return sorted(found)


def test_fields_were_only_added_at_the_end_with_defaults_since_the_first_release_of_this_version() -> None:
    """If this fails, raise `snapshot.VERSION` and write a new folder: `tests.support.changelog_fixture` says how."""
    assert differs(json.loads((PRESENT / LAYOUT).read_text()), json.loads(json.dumps(layout()))) == []


def test_a_field_that_is_moved_removed_or_without_default_is_noticed() -> None:
    old = {"A": [["x", "int", False], ["y", "str", True]], "B": []}
    assert differs(old, {"A": [*old["A"], ["z", "int", True]], "B": []}) == []
    assert differs(old, {"A": [["y", "str", True], ["x", "int", False]], "B": []})
    assert differs(old, {"A": [["x", "int", False]], "B": []})
    assert differs(old, {"A": [*old["A"], ["z", "int", False]], "B": []}) == ["A.z has no default"]
    assert differs(old, {"A": old["A"]}) == ["B is gone"]


def test_an_older_reader_passes_over_fields_that_it_does_not_know() -> None:
    meta = codec.Meta(codec.META_VERSION, 7, 8, 9)
    number, body = codec.split(codec.encode_meta(meta).value or b"")
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(body), "later"])
    assert codec.decode_meta(codec.prefixed(number, longer)) == meta
    caps = codec.prefixed(7, msgspec.msgpack.encode([codec.CAPS_VERSION, msgspec.to_builtins(Ledger()), "later", 1]))
    assert codec.decode_caps(codec.split(caps)[1]) == Ledger()
    longer_rooms = [_with_one_more_field(write) for write in changelog_of(PRESENT)]
    assert longer_rooms != changelog_of(PRESENT)
    log = log_of(PRESENT)[HALF:]
    assert judged(recovered(longer_rooms), log, PRESENT) == judged(recovered(changelog_of(PRESENT)), log, PRESENT)


def _with_one_more_field(write: Write) -> Write:
    if b"#" in write.key or write.value is None:
        return write
    at_ms, core = codec.split(write.value)
    fields = msgspec.msgpack.decode(core[9:])
    session = Room.__struct_fields__.index("session")
    fields[session] = [*fields[session], {"later": 1}]
    added_since = [None] * (len(Room.__struct_fields__) - len(fields))
    longer = msgspec.msgpack.encode([*fields, *added_since, {"later": 1}])
    return write._replace(value=codec.prefixed(at_ms, core[:1] + xxh3_64_digest(longer) + longer))


@pytest.mark.parametrize("folder", PAST, ids=lambda folder: folder.name)
def test_state_of_another_version_is_refused_with_what_to_do(folder: Path) -> None:
    with pytest.raises(ChangelogError, match="run this one beside it under another STREAM_AUDIT_APP_ID"):
        recovered(changelog_of(folder))


def test_state_of_a_later_version_is_refused_with_what_to_do() -> None:
    core = next(w for w in changelog_of(PRESENT) if b"#" not in w.key)
    assert core.value is not None
    at_ms, room = codec.split(core.value)
    newer = codec.prefixed(at_ms, bytes((snapshot.VERSION + 1,)) + room[1:])
    with pytest.raises(ChangelogError, match="roll forward to the release that wrote it"):
        recovered([core._replace(value=newer)])


def test_a_key_of_a_later_release_is_refused_unless_it_says_that_it_can_be_done_without() -> None:
    with pytest.raises(ChangelogError, match="roll forward to the release that wrote it"):
        recovered([Write(b"#pauses", b"x")])
    store = recovered([*changelog_of(PRESENT), Write(b"#~hints", b"x"), Write(b"#~hints", None)])
    written = store.capture(HALF, 0, HALF, -1)
    assert not any(w.key.startswith(codec.OPTIONAL_PREFIX) for w in written), "it is the later release's to remove"
