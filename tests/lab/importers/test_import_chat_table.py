"""Chats as tables and as lines of text."""

import json
from pathlib import Path

import pytest

from tests.lab.importers.made_up import START_MS, Importer
from worker.lab.importers import Job, import_recording


def test_lines_of_text_keep_the_colons_of_the_message(run: Importer) -> None:
    room = run(f"{START_MS}:还有M码吗\n{START_MS + 20_000}:10:30开抢吗\n")
    assert [c["text"] for c in room.of("viewer.comment")] == ["还有M码吗", "10:30开抢吗"]
    log = run("\ufeff23:59:55 [弹幕消息] [男] 客一: 还有M码吗\n00:00:05 [弹幕消息] [妖] 客:二: 多少钱\n")
    assert log.offsets("viewer.comment") == [0, 10_000]
    assert any("--started-at" in warning for warning in log.summary.warnings)


def test_a_table_of_local_times_passes_midnight_and_takes_its_date_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "20260301_2158_7001"
    folder.mkdir()
    (folder / "chat.csv").write_text(
        "\ufefftime,user_id,user_name,content,grade,fans_club\r\n23:59:58,900001,客一,还有M码吗,[等级6],\n"
        '00:00:01,900002,客二,"多少钱, 链接",[等级2],[粉丝团 Lv1]\r\n'
    )
    out = tmp_path / "room.jsonl"
    summary = import_recording(Job(chat=folder / "chat.csv", out=out))
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert summary.start_ms == 1_772_380_798_000  # 2026-03-01 23:59:58 in Beijing
    assert [e["at_ms"] - summary.start_ms for e in events if e["type"] == "viewer.comment"] == [0, 3_000]
    assert events[0]["platform"] == "douyin"
    (folder / "social.csv").write_text("time,user_id,user_name,action,follow_count\n00:00:02,900002,客二,关注,10\n")
    assert import_recording(Job(chat=folder / "social.csv", out=out)).start_ms == summary.start_ms + 4_000


@pytest.mark.parametrize(
    ("table", "kind", "count"),
    [
        ("时间,用户ID,昵称,弹幕\n2026/03/02 05:20:05,9,客一,有吗\n2026/03/02 05:20:06,9,客一,价\n",
         "viewer.comment", 2),
        ("timestamp,user_id,nickname,comment\n2026-03-01T21:20:05.120000,7,v,\"how much, please?\"\n",
         "viewer.comment", 1),
        ("time,user_id,user_name,gift_name,gift_count,diamond_total\n12:00:01,9,客,心,1,1\n12:00:02,9,客,心,2,2\n",
         "viewer.gift", 1),
        ("time,user_id,user_name,count,total\n12:00:01,9,客,5,900\n", "viewer.liked", 1),
        ("time,user_id,user_name,action,follow_count\n12:00:01,9,客,关注,10\n", "viewer.followed", 1),
    ],
)  # fmt: skip
def test_tables_are_known_by_their_heads(run: Importer, table: str, kind: str, count: int) -> None:
    assert len(run(table).of(kind)) == count
