"""Chats in JSON, tables and lines, each in the shape that its program logs."""

import json
from typing import Any

import pytest

from tests.lab.importers.made_up import START_MS, Importer
from worker.lab.importers import ImportRefusedError, Limits
from worker.lab.importers.chat_log import BESIDE, WRONG_TIME, strays
from worker.lab.importers.chat_messages import PARTIAL
from worker.lab.importers.recording import DUPLICATE

S = START_MS // 1_000


def lines(*entries: dict[str, Any]) -> str:
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def oba(at_ms: int, kind: str = "comment", **fields: Any) -> dict[str, Any]:
    base = {"msg_type": kind, "msg_id": f"{kind}{at_ms}", "nick_name": "客**", "time": START_MS + at_ms}
    return base | ({"content": "还有M码吗"} if "comment" in kind or "wechat" in kind else {}) | fields


def test_oba_live_tool_tells_comments_visits_and_paid_orders_once(run: Importer) -> None:
    order = {"order_ts": S + 7, "product_id": "p1", "product_title": "纯棉T恤"}
    room = run(lines(
        oba(0), oba(10, "room_enter", user_id="900002"), oba(900, "room_follow", user_id="900002"),
        oba(950, "room_like", user_id="900002"),
        oba(4_000, "live_order", msg_id="6900#0", order_status="已下单", **order),
        oba(9_000, "live_order", msg_id="6900#3", order_status="已付款", **order),
        oba(9_500, "live_order", msg_id="6900#3", order_status="已付款", **order),
        oba(9_900, "subscribe_merchant_brand_vip", content="入会"),
    ))  # fmt: skip
    assert room.summary.formats == {"chat": "oba-live-tool"}
    kinds = ["viewer.comment", "viewer.joined", "viewer.followed", "viewer.liked", "viewer.order"]
    assert [room.offsets(kind) for kind in kinds] == [[0], [10], [900], [950], [9_000]]
    assert room.of("viewer.order")[0]["product_id"] == "p1"
    assert room.of("room.opened")[0]["platform"] == "douyin"
    assert room.summary.dropped[DUPLICATE] == 1
    assert "客" not in room.text.replace("还有M码吗", "")


@pytest.mark.parametrize(
    ("kind", "platform"),
    [
        ("wechat_channel_live_msg", "wechat_channels"),
        ("taobao_comment", "taobao"),
        ("xiaohongshu_comment", "xiaohongshu"),
    ],
)
def test_oba_live_tool_names_the_platform_by_the_message(run: Importer, kind: str, platform: str) -> None:
    room = run(lines(oba(0, kind, user_id="a1"), oba(5_000, kind, user_id="a2", time=str(START_MS + 5_000))))
    assert room.of("room.opened")[0]["platform"] == platform
    assert room.offsets("viewer.comment") == [0, 5_000]


def grab(kind: int, at_s: int, *, text: bool, owner: str = "1", user: int = 900001, **data: Any) -> dict[str, Any]:
    """A message of either program; its id begins with the second in which it was made."""
    body = {"MsgId": (S + at_s) << 32 | at_s, "User": {"Id": user, "Nickname": "客一", "SecUid": "MS4x"}} | data
    body |= {"RoomId": 7001, "Onwer": {"UserId": owner}}
    if text:
        return {"Type": kind, "ProcessName": "chrome", "Data": json.dumps(body, ensure_ascii=False)}
    return {"Type": kind, "Data": body}


def test_douyin_barrage_grab_is_dated_by_its_ids(run: Importer) -> None:
    room = run(lines(
        grab(1, 5, text=True, Content="还有M码吗"), grab(3, 6, text=True, Content="客一来了", CurrentCount=8),
        grab(2, 7, text=True, Count=5, Total=900),
        grab(5, 8, text=True, GiftName="小心心", GiftId=463, GiftCount=2, RepeatCount=2, DiamondCount=1),
        grab(5, 9, text=True, GiftName="小心心", GiftId=463, GiftCount=1, RepeatCount=3, DiamondCount=1),
        grab(4, 10, text=True, Content="关注"), grab(8, 11, text=True, Content="分享"),
        grab(6, 12, text=True, OnlineUserCount=3), grab(1, 13, text=True, user=1, Content="有的"),
    ))  # fmt: skip
    assert room.summary.formats == {"chat": "douyin-barrage-grab"}
    assert room.summary.start_ms == START_MS + 5_000
    assert room.offsets("viewer.comment") == [0]
    assert room.of("viewer.liked")[0]["count"] == 5
    assert [gift["value"] for gift in room.of("viewer.gift")] == [20, 10]
    assert room.offsets("host.reply") == [8_000]
    assert [room.offsets(f"viewer.{kind}") for kind in ("joined", "followed", "shared")] == [[1_000], [5_000], [6_000]]
    assert any("ids" in warning for warning in room.summary.warnings)


def test_the_other_barrage_grab_has_other_numbers_and_whole_streaks(run: Importer) -> None:
    gift: dict[str, Any] = {"GiftName": "小心心", "GiftId": 463, "GroupId": 9, "GroupCount": 1, "DiamondCount": 1}
    room = run(lines(
        grab(3, 5, text=False, Content="还有M码吗"), grab(1, 6, text=False, Content="客一来了"),
        grab(5, 7, text=False, ComboCount=1, RepeatCount=1, RepeatEnd=0, **gift),
        grab(5, 8, text=False, ComboCount=3, RepeatCount=3, RepeatEnd=0, **gift),
        grab(5, 9, text=False, ComboCount=3, RepeatCount=3, RepeatEnd=1, **gift),
    ))  # fmt: skip
    assert room.summary.formats == {"chat": "barrage-grab"}
    assert [c["text"] for c in room.of("viewer.comment")] == ["还有M码吗"]
    assert [(gift["value"], gift["currency"]) for gift in room.of("viewer.gift")] == [(30, "CNY")]
    assert room.summary.dropped[PARTIAL] == 2


def test_a_logged_time_wins_over_the_id(run: Importer) -> None:
    entries = [grab(1, n, text=True, Content="价") | {"time": START_MS + n * 1_000 + 250} for n in (1, 2, 3)]
    assert run(lines(*entries)).summary.start_ms == START_MS + 1_250


def test_messages_without_any_time_are_refused_with_advice(run: Importer) -> None:
    short: list[dict[str, Any]] = [
        {"Type": 1, "Data": json.dumps({"MsgId": n, "User": {"Id": 1}, "Content": "价"})} for n in range(7401, 7409)
    ]
    with pytest.raises(ImportRefusedError, match="log with each message when it came"):
        run(lines(*short))


def webcast(method: str, at_s: int, **fields: Any) -> dict[str, Any]:
    common = {"msgId": str((S + at_s) << 32), "roomId": "7001", "createTime": "0"}
    return {"method": f"Webcast{method}Message", "livename": "甲店", "title": "甲店上新", "common": common} | {
        "user": {"id": "900001", "nickName": "客一"}, "eventTime": str(S + at_s),
    } | fields  # fmt: skip


def test_douyin_live_has_strings_for_numbers_and_the_hosts_own_words(run: Importer) -> None:
    gift = {"groupId": "9", "sendType": "4", "gift": {"name": "小心心", "diamondCount": 1, "combo": True}}
    room = run(lines(
        {"type": "system", "event": "live_status", "room_id": "77", "live_name": "甲店"},
        webcast("Chat", 5, content="还有M码吗"), webcast("Like", 6, count="5", total="900"), webcast("Member", 7),
        webcast("Social", 8, action="1"), webcast("Social", 9, action="3"),
        webcast("Gift", 10, repeatCount="1", comboCount="1", repeatEnd=0, **gift),
        webcast("Gift", 12, repeatCount="3", comboCount="3", repeatEnd=1, **gift),
        webcast("Chat", 13, content="有的", user={"id": "5", "nickName": "甲店"}),
        webcast("RoomUserSeq", 14, total="88"),
    ))  # fmt: skip
    assert room.summary.formats == {"chat": "douyin-live"}
    assert room.summary.start_ms == START_MS + 5_000
    assert room.of("room.opened")[0]["title"] == "…上新"
    assert [gift["value"] for gift in room.of("viewer.gift")] == [30]
    assert room.offsets("host.reply") == [8_000]
    assert room.of("viewer.liked")[0]["count"] == 5
    assert [room.offsets(f"viewer.{kind}") for kind in ("followed", "shared")] == [[3_000], [4_000]]


def dycast(at_s: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": str((S + at_s) << 32),
        "method": "WebcastChatMessage",
        "user": {"id": "MS4x", "name": "客一"},
    } | fields


@pytest.mark.parametrize("shape", ["list", "lines", "lists", "pretty"])
def test_dycast_is_read_as_a_list_lines_or_lines_of_lists(run: Importer, shape: str) -> None:
    entries = [dycast(n, content=f"价{n}") for n in range(1, 9)]
    text = {
        "list": json.dumps(entries), "lines": lines(*entries), "pretty": json.dumps(entries, indent=2),
        "lists": "".join(json.dumps(entries[at : at + 2]) + "\n" for at in range(0, 8, 2)),
    }[shape]  # fmt: skip
    assert run(text).offsets("viewer.comment") == [n * 1_000 for n in range(8)]


def test_dycast_desktop_logs_when_messages_came(run: Importer) -> None:
    entries = [dycast(n, content="价", user={"name": "示例"}, timestamp=START_MS + n * 500) for n in range(1, 9)]
    assert run(lines(*entries)).summary.start_ms == START_MS + 500


def wx(*events: dict[str, Any]) -> dict[str, Any]:
    live = {"live_id": "L1", "start_time": S, "online_count": 12, "like_count": 5, "nickname": "甲店"}
    return {"host_info": {"finder_username": "v2_x@finder"}, "live_info": live, "events": list(events)}


def wx_event(seq: int, kind: str = "comment", at_s: int = 5, **fields: Any) -> dict[str, Any]:
    return {
        "decoded_type": kind, "msg_time": START_MS + at_s * 1_000, "msg_id": f"x_{seq}", "decoded_openid": "o9h1",
        "nickname": "客一", "content": "还有M码吗", "seq": seq,
    } | fields  # fmt: skip


@pytest.mark.parametrize("wrapped", [False, True])
def test_wxlivespy_is_sorted_by_seq_and_read_once(run: Importer, wrapped: bool) -> None:
    batches = [
        wx(wx_event(12), wx_event(11, content="多少钱"), wx_event(13, "combogift", combo_product_count=2)),
        wx(wx_event(13, "gift", 8, gift_num=2, gift_value=2, sec_gift_id="g1"), wx_event(12)),
        wx(wx_event(14, "enter", 9), wx_event(15, "like", 9), wx_event(16, "levelup", 9)),
    ]
    room = run(lines(*({"decoded_data": batch} if wrapped else batch for batch in batches)))
    assert [c["text"] for c in room.of("viewer.comment")] == ["多少钱", "还有M码吗"]
    gift = room.of("viewer.gift")[0]
    assert (gift["gift_id"], gift["currency"]) == ("g1", "XXX")
    assert (len(room.of("viewer.joined")), len(room.of("viewer.liked"))) == (1, 1)
    assert room.summary.dropped[DUPLICATE] == 1
    assert room.of("room.opened")[0]["platform"] == "wechat_channels"


def test_wechats_own_answers_hold_written_replies(run: Importer) -> None:
    data = {
        "liveInfo": {"liveId": "L1"},
        "msgList": [
            {"type": 1, "nickname": "客一", "username": "a1", "content": "有吗", "seq": "11", "clientMsgId": "c1"}
        ],
        "appMsgList": [
            {"msgType": 20002, "payload": "eyJjb250ZW50Ijoi6L+Y5pyJIn0=", "clientMsgId": "c2", "seq": "12",
             "fromUserContact": {"contact": {"username": "h1", "nickname": "甲店"}}}
        ],
    }  # fmt: skip
    room = run(lines({"errCode": 0, "data": data, "ts": START_MS}, {"data": {"msgList": []}, "ts": START_MS + 5_000}))
    assert (len(room.of("viewer.comment")), len(room.of("host.reply"))) == (1, 1)


def test_kuaishou_places_comments_beside_gifts_that_have_times(run: Importer) -> None:
    user = {"principalId": "3x1", "userName": "客一"}
    gift = {"user": user, "giftId": 9, "mergeKey": "m1", "batchSize": 1}
    room = run(lines(
        {"giftFeeds": [gift | {"id": "k2", "time": str(START_MS), "comboCount": 1}]},
        {"commentFeeds": [{"id": "k1", "user": user, "content": "还有M码吗"}], "displayLikeCount": "1.2万",
         "giftFeeds": [gift | {"id": "k4", "time": str(START_MS + 5_000), "comboCount": 3}]},
        {"likeFeeds": [{"id": "k3", "user": user}]},
    ))  # fmt: skip
    assert room.summary.formats == {"chat": "kuaishou-push"}
    assert room.offsets("viewer.gift") == [5_000]
    assert room.offsets("viewer.comment") == [0]
    assert room.summary.changed[BESIDE] == 2


def test_blrecs_raw_commands_are_read(run: Importer) -> None:
    def danmu(at_ms: int, text: str) -> dict[str, Any]:
        info = [
            [0, 1, 25, 1, START_MS + at_ms, 1],
            text,
            [900001, "客一", 0],
            [],
            [],
            [],
            0,
            0,
            None,
            {"ts": S, "ct": "1A"},
        ]
        return {"cmd": "DANMU_MSG:4:0:2", "info": info}

    gift = {"uid": 2, "uname": "客", "giftName": "辣条", "num": 2, "price": 100, "total_coin": 200, "coin_type": "gold"}
    room = run(lines(
        danmu(120, "还有M码吗"), {"cmd": "SEND_GIFT", "data": gift | {"timestamp": S + 6, "tid": "17"}},
        {"cmd": "SEND_GIFT", "data": gift | {"timestamp": S + 7, "tid": "18", "coin_type": "silver"}},
        {"cmd": "INTERACT_WORD", "data": {"uid": 3, "uname": "客", "msg_type": 1, "timestamp": S + 7}},
        {"cmd": "SUPER_CHAT_MESSAGE", "data": {"id": 4, "uid": 5, "price": 30, "message": "链接", "ts": S + 8}},
        {"cmd": "LIKE_INFO_V3_UPDATE", "data": {"click_count": 37}}, danmu(9_000, "多少钱"),
    ))  # fmt: skip
    assert room.summary.formats == {"chat": "blrec-raw"}
    assert [c["text"] for c in room.of("viewer.comment")] == ["还有M码吗", "链接", "多少钱"]
    assert [gift["value"] for gift in room.of("viewer.gift")] == [20, 0, 3_000]
    assert room.offsets("viewer.joined") == [6_880]


def cd(at_s: int, **fields: Any) -> dict[str, Any]:
    return {
        "action_type": "add_chat_item", "author": {"id": "u1", "name": "客一"}, "message": "还有M码吗",
        "message_id": f"m{at_s}", "message_type": "text_message", "time_in_seconds": float(at_s),
        "timestamp": (START_MS + at_s * 1_000) * 1_000,
    } | fields  # fmt: skip


MONEY = {"amount": 30.0, "currency": "CNY", "currency_symbol": "CN¥"}
CD = [
    cd(5), cd(9, message_type="paid_message", money=MONEY, message="链接"),
    cd(9, action_type="add_live_chat_ticker_item", message_type="ticker_paid_message_item"),
    cd(10, author={"id": "u2"}),
]  # fmt: skip
CD_CSV = (
    "action_type,author.id,author.name,message,message_id,message_type,money.amount,money.currency,time_in_seconds,timestamp\n"
    f"add_chat_item,u1,客一,还有M码吗,m1,text_message,,,5.0,{(START_MS + 5_000) * 1_000}\n"
    f'add_chat_item,u1,客一,"链接, 发一下",m2,paid_message,30.0,CNY,9.0,{(START_MS + 9_000) * 1_000}\n'
    f"add_chat_item,u2,客,价,m3,text_message,,,10.0,{(START_MS + 10_000) * 1_000}\n"
)


@pytest.mark.parametrize(
    "text", [json.dumps(CD), json.dumps(CD)[:-60] + "", lines(*CD), json.dumps(CD, indent=4), CD_CSV, "\ufeff" + CD_CSV]
)
def test_chat_downloader_is_read_in_each_of_its_shapes(run: Importer, text: str) -> None:
    room = run(text)
    assert room.offsets("viewer.comment")[:2] == [0, 4_000]
    gift = room.of("viewer.gift")[0]
    assert (gift["value"], gift["currency"], gift["gift_id"]) == (3_000, "CNY", "super_chat")
    assert room.summary.unreadable == 0


def test_tiktok_counts_a_streak_once_and_has_coins_but_no_money(run: Importer) -> None:
    user = {"userId": "7001", "uniqueId": "viewer1"}
    gift = {"giftId": 5655, "groupId": "g1", "giftDetails": {"giftType": 1, "giftName": "Rose", "diamondCount": 1}}

    def event(name: str, at_s: int, **data: Any) -> dict[str, Any]:
        common = {"msgId": str(at_s), "createTime": str(START_MS + at_s * 1_000)}
        return {"event": name, "data": {"user": user, "common": common} | data}

    room = run(lines(
        event("chat", 5, comment="how much?"), event("gift", 6, repeatCount=1, repeatEnd=0, **gift),
        event("gift", 7, repeatCount=2, repeatEnd=1, **gift), event("member", 8), event("follow", 9),
        event("emote", 10),
    ))  # fmt: skip
    assert room.of("room.opened")[0]["platform"] == "tiktok_shop"
    assert [(gift["value"], gift["currency"]) for gift in room.of("viewer.gift")] == [(0, "XXX")]
    assert room.offsets("viewer.joined") == [3_000]


def test_catcher_and_shadow_replay_are_read(run: Importer) -> None:
    caught = [
        {"event_ts_ms": START_MS + n, "server_now_ms": START_MS, "user_id": 9, "content": f"价{n}"} for n in range(9)
    ]
    assert len(run(lines(*caught)).of("viewer.comment")) == 9
    shadow = [
        {"ts": START_MS + n, "platform": "douyin", "room_id": "77", "event_type": "danmu", "raw": {"id": str(n)},
         "data": {"user_name": "客", "content": "价"}} for n in range(9)
    ]  # fmt: skip
    room = run(lines(*shadow))
    assert len(room.of("viewer.comment")) == 9
    assert room.of("room.opened")[0]["platform"] == "douyin"


BAD = [
    '{"msg_type": "comment", "nick_name": "客", "content": "价", "time": NaN}', "{bad",
    '{"msg_type": "comment", "nick_',
    '{"msg_type": "comment", "nick_name": "\\ud83d", "content": "\\ud83d价", "time": 1780000020000}', "[]", "null", "7",
    "\x00", '{"msg_type": "comment", "nick_name": "客", "content": "价\x07", "time": 1780000020000}', "[1]", "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", [0, 30, 60])
def test_a_bad_line_costs_itself(run: Importer, bad: str, place: int) -> None:
    good = [lines(oba(n * 1_000)) for n in range(1, 61)]
    room = run("".join([*good[:place], bad + "\n", *good[place:]]))
    assert len(room.of("viewer.comment")) >= 60
    assert room.summary.unreadable <= 1


def test_a_file_with_many_bad_lines_is_refused_with_the_first(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match=r"8 of 68 entries .*line 31: is no JSON object.*--max-bad-percent"):
        run("".join(lines(oba(n)) for n in range(30)) + "{bad\n" * 8 + "".join(lines(oba(n)) for n in range(30, 60)))


@pytest.mark.parametrize("wrong", [0, -1, 12, START_MS + 8 * 3_600_000, START_MS - 8 * 3_600_000, 9e99, "soon", None])
@pytest.mark.parametrize("place", [20, 39])
def test_one_wrong_time_does_not_make_hours(run: Importer, wrong: object, place: int) -> None:
    entries = [oba(n * 1_000) for n in range(40)]
    entries[place]["time"] = wrong
    room = run(lines(*entries))
    assert room.summary.end_ms - room.summary.start_ms <= 39_000
    assert len(room.of("viewer.comment")) == 40
    assert room.summary.changed.get(WRONG_TIME, 0) + room.summary.changed.get(BESIDE, 0) == 1


def test_a_slow_chat_has_no_wrong_times() -> None:
    assert strays([START_MS + n * 900_000 for n in range(40)]) == []
    assert strays([START_MS + n * 1_000 + (n > 20) * 10_800_000 for n in range(40)]) == []


def test_the_same_words_of_many_are_kept_and_one_id_for_all_is_no_id(run: Importer) -> None:
    entries = [oba(n * 1_000, user_id=str(n % 7), msg_id="0", content="1") for n in range(60)]
    assert len(run(lines(*entries)).of("viewer.comment")) == 60


@pytest.mark.parametrize("indent", [None, 2])
def test_a_large_list_is_read_entry_by_entry(
    run: Importer, monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    text = json.dumps([oba(n * 1_000) for n in range(900)], indent=indent)
    assert len(run(text).of("viewer.comment")) == 900
    monkeypatch.setattr("worker.lab.importers.chat_json.WHOLE_BYTES", 100)
    assert len(run(text).of("viewer.comment")) == 900
    hurt = text[:60_000] + "\\q\x00{{" + text[60_000:-1_000]
    room = run(hurt, limits=Limits(line_bytes=4_000))
    assert len(room.of("viewer.comment")) > 850
    assert any("cut short" in warning for warning in room.summary.warnings)


def test_items_are_bounded(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match="--max-items"):
        run(lines(*(oba(n) for n in range(9))), limits=Limits(items=5))
