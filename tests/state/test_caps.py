"""Caps survive a restart: whatever was written, the same decisions are parked."""

import pytest

from tests.policy.build import a_policy
from tests.policy.test_caps import CAPPED, RECORDS, judged
from tests.state.conftest import Changelog
from worker.partition.rooms import PartitionProcessor
from worker.policy.judge import Judge
from worker.policy.load import load_policies
from worker.records import OutRecord
from worker.state import codec
from worker.state.rooms import RoomStore
from worker.topics import VIOLATIONS_TOPIC

JUDGE = Judge(load_policies({"p.yaml": a_policy(CAPPED)}, run_tests=False))


def processor(store: RoomStore) -> PartitionProcessor:
    return PartitionProcessor(topic="events", partition=0, rooms=store, judge=JUDGE)


@pytest.mark.parametrize("committed_behind", [0, 900])
def test_the_same_are_parked_whenever_the_worker_stops_and_starts_again(
    changelog: Changelog, committed_behind: int
) -> None:
    found: dict[object, OutRecord] = {}
    for end in range(500, len(RECORDS) + 1, 500):
        store = changelog.recover(changelog.compacted())
        start = max(0, end - 500 - committed_behind)
        found |= {r.headers[1]: r for r in processor(store).process(RECORDS[start:end]).of(VIOLATIONS_TOPIC)}
        changelog.append(store.capture(end, 0, max(0, end - committed_behind), -1))
    assert list(found.values()) == judged(CAPPED, 500)


@pytest.mark.parametrize("kept", [0, 1, 2, 5, 9])
def test_a_flush_that_was_torn_leaves_the_verdicts_as_they_are(changelog: Changelog, kept: int) -> None:
    wanted = judged(CAPPED, 500)
    store = changelog.recover()
    first = processor(store).process(RECORDS[:1_000]).of(VIOLATIONS_TOPIC)
    changelog.append(store.capture(1_000, 0, 0, -1))
    second = processor(store).process(RECORDS[1_000:2_500]).of(VIOLATIONS_TOPIC)
    writes = store.capture(2_500, 0, 1_000, -1)
    assert [write.key for write in writes if write.key.startswith(b"#")] == [codec.CAPS_KEY, codec.META_KEY]
    assert len(writes) > kept
    changelog.append(writes[:kept])
    again = processor(changelog.recover()).process(RECORDS[1_000:]).of(VIOLATIONS_TOPIC)
    assert {r.headers[1]: r for r in first + second + again} == {r.headers[1]: r for r in wanted}


def test_a_late_flush_of_a_former_owner_does_not_bring_back_old_counts(changelog: Changelog) -> None:
    zombie = changelog.recover()
    processor(zombie).process(RECORDS[:1_000])
    late = zombie.capture(1_000, 0, 0, -1)
    owner = changelog.recover()
    processor(owner).process(RECORDS[:2_000])
    changelog.append(owner.capture(2_000, 0, 0, -1))
    changelog.append(late)
    heir = changelog.recover()
    assert heir.caps == owner.caps
    assert heir.capture(2_000, 0, 0, -1)[0].key == codec.CAPS_KEY, "what the zombie overwrote is written again"


def test_caps_of_a_later_version_are_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        codec.decode_caps(b"\x92\x02\x90")
