"""Lists that lie on the disk."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.importers.chat_samples import CHATS
from worker.lab.importers import Job, import_recording, spool
from worker.lab.importers.recording import Comment, Gift, Item
from worker.lab.importers.spool import Seen, Spool, in_order


def test_a_spool_is_read_as_a_list_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BLOCK", 7)
    items: list[Item] = [Comment(n, f"客{n}", "价") if n % 3 else Gift(n, "", "心", n) for n in range(100)]
    kept = Spool[Item](Item)
    for item in items:
        kept.append(item)
    assert list(kept) == list(kept) == items
    assert len(kept) == 100
    assert [kept[at] for at in (0, 99, 50, -1, 51, 3)] == [items[at] for at in (0, 99, 50, -1, 51, 3)]


def test_half_a_character_and_a_number_without_end_cost_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BLOCK", 2)
    kept = Spool[Item](Item)
    for item in (Comment(1, "a", "好\ud83d"), Gift(2, "a", "心", 10**40)):
        kept.append(item)
    first, second = kept
    assert isinstance(first, Comment)
    assert first.text == "好?"
    assert isinstance(second, Gift)
    assert second.value == spool.LARGEST


def test_what_was_seen_is_known_for_long_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SEEN_MAX", 100)
    seen = Seen()
    assert not any(seen.again("m", n) for n in range(1_000))
    assert all(seen.again("m", n) for n in range(900, 1_000))
    assert len(seen._new) + len(seen._old) <= 200


@given(st.lists(st.integers(-50, 50), max_size=60))
def test_the_order_is_that_of_a_stable_sort(times: list[int]) -> None:
    assert list(in_order(times)) == sorted(range(len(times)), key=lambda at: times[at])


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("name", ["bililive-tools", "oba-live-tool", "yt-dlp", "twitchdownloader"])
def test_memory_hardly_grows_with_the_length_of_a_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module, bound in (("spool", "MEMORY_BYTES"), ("chat_json", "WHOLE_BYTES"), ("twitch", "WHOLE_BYTES")):
        monkeypatch.setattr(f"worker.lab.importers.{module}.{bound}", 100_000)
    monkeypatch.setattr(spool, "SEEN_MAX", 1_000)
    monkeypatch.setattr(spool, "REORDER_MAX", 500)

    def peak(messages: int) -> int:
        chat = tmp_path / "chat"
        chat.write_text(CHATS[name](messages), encoding="utf-8")
        tracemalloc.start()
        import_recording(Job(chat=chat, out=tmp_path / "room.jsonl"))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(500)
    few, many = peak(14_000), peak(34_000)  # beyond the first MiB, which is looked at whole
    assert (many - few) / 20_000 < 100, (few, many)  # bytes a message; the message itself has 200 and more
