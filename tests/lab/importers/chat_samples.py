"""Chats as each program writes them, of any length: a message a second by one of 97 viewers. All of it is made up.

None of them uses the importer.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from tests.lab.importers.made_up import START_MS, bililive, blrec, tweet, twitch, youtube

S = START_MS // 1_000
VIEWERS = 97


def lines(entries: Iterable[Any]) -> str:
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def uid(n: int) -> int:
    return 900_000 + n % VIEWERS


def text(n: int) -> str:
    return f"还有M码吗 第{n}件多少钱"


def xml(n: int, p: str, attrs: str, indent: str, head: str) -> str:
    rows = []
    for at in range(1, n + 1):
        of = {"at": at, "ms": START_MS + at * 1_000, "s": S + at, "uid": uid(at), "name": f"客{uid(at)}"}
        rows.append(f'{indent}<d p="{p.format(**of)}"{attrs.format(**of)}>{text(at)}</d>\n')
    return '<?xml version="1.0" encoding="utf-8"?>\n' + head + "<i>\n" + "".join(rows) + "</i>\n"


def bililive_tools(n: int) -> str:
    about = f"<metadata><platform>DouYin</platform><video_start_time>{START_MS}</video_start_time></metadata>\n"
    body = xml(n, "{at},1,25,16777215,{ms},0,{uid},{uid},0", ' user="{name}" uid="{uid}" timestamp="{ms}"', "", "")
    gift = f'<gift ts="5" giftname="心" giftcount="3" price="100" uid="2" timestamp="{START_MS + 5_000}"></gift>\n'
    return body.replace("</i>", gift + about + "</i>")


def biliup(n: int) -> str:
    detail = ' timestamp="{s}" uid="{uid}" user="{name}"'
    gift = f'\t<s timestamp="{S + 5}" uid="2" username="客" price="1000" type="gift" num="2" giftname="辣条">送</s>\n'
    return xml(n, "{at}.250,1,25,16777215,{s},0,{uid},0", detail, "\t", "").replace("</i>", gift + "</i>")


def stream_rec(n: int) -> str:
    return xml(n, "{at}.0,1,25,16777215,{ms},0,{uid},0", ' user="{name}"', "\t", "<?xml-stylesheet href='#s'?>\n")


def rust_srec(n: int) -> str:
    head = "<!-- Rust-Srec version: 0.3.0 -->\n<!-- Platform: douyin -->\n<!-- Room ID: 77 -->\n"
    sc = f'  <sc ts="9.000" user="客" uid="3" price="30" time="60" timestamp="{START_MS + 9_000}">链接</sc>\n'
    return xml(n, "{at}.000,1,25,1,{ms},0,3405691582,1", ' user="{name}"', "  ", head).replace("</i>", sc + "</i>")


def danmu_recorder(n: int) -> str:
    return xml(n, "{at}.12,1,25,1,{ms},0,1602022773,0", ' user="{name}"', "  ", "")


def unknown_xml(n: int) -> str:
    return xml(n, "{at}.5,1,25,1,{ms},0,{uid},0", ' user="{name}"', "", "")


def bililive_d(at: int) -> str:
    p = f"{at}.000,1,25,16777215,{START_MS + at * 1_000},0,{uid(at)},0"
    return f'<d p="{p}" user="客{uid(at)}" uid="{uid(at)}">{text(at)}</d>'


def oba(n: int) -> str:
    kinds = ["comment"] * 4 + ["room_enter", "room_like", "room_follow"]
    entries: list[dict[str, Any]] = [
        {"msg_type": kinds[at % 7], "msg_id": f"74{at}", "nick_name": f"客{uid(at)}", "user_id": str(uid(at)),
         "content": text(at), "time": START_MS + at * 1_000}
        for at in range(1, n + 1)
    ]  # fmt: skip
    order = {
        "msg_type": "live_order",
        "nick_name": "客**",
        "msg_id": "69#3",
        "order_status": "已付款",
        "product_id": "p1",
    }
    return lines([*entries, order | {"time": START_MS + n * 1_000}])


def grab_data(at: int, **more: Any) -> dict[str, Any]:
    user = {"Id": uid(at), "Nickname": f"客{uid(at)}", "SecUid": "MS4x"}
    return {"MsgId": (S + at) << 32 | at, "User": user, "Content": text(at), "RoomId": 7001} | more


def douyin_barrage_grab(n: int) -> str:
    kinds = [1, 1, 1, 2, 3, 4, 8]
    entries = [
        {"Type": kinds[at % 7], "ProcessName": "chrome", "Data": json.dumps(grab_data(at, Count=3), ensure_ascii=False)}
        for at in range(1, n + 1)
    ]
    gift = grab_data(n + 1, GiftName="小心心", GiftId=463, GiftCount=2, DiamondCount=1)
    return lines([*entries, {"Type": 5, "ProcessName": "chrome", "Data": json.dumps(gift, ensure_ascii=False)}])


def barrage_grab(n: int) -> str:
    kinds = [3, 3, 3, 1, 2, 4, 6]
    gift = grab_data(n + 1, GiftName="小心心", GiftId=463, RepeatCount=2, RepeatEnd=1, DiamondCount=1)
    return lines(
        [*({"Type": kinds[at % 7], "Data": grab_data(at)} for at in range(1, n + 1)), {"Type": 5, "Data": gift}]
    )


def webcast(at: int, method: str = "Chat", **more: Any) -> dict[str, Any]:
    return {
        "method": f"Webcast{method}Message", "livename": "甲店", "title": "上新",
        "common": {"msgId": str((S + at) << 32 | at), "roomId": "7001", "createTime": "0"},
        "user": {"id": str(uid(at)), "nickName": f"客{uid(at)}"}, "content": text(at), "eventTime": str(S + at),
    } | more  # fmt: skip


def douyin_live(n: int) -> str:
    kinds = ["Chat", "Chat", "Chat", "Like", "Member", "Social"]
    gift = {"groupId": "9", "repeatCount": "3", "repeatEnd": 1, "gift": {"name": "小心心", "diamondCount": 1}}
    host = webcast(n + 2, user={"id": "5", "nickName": "甲店"})
    return lines([*(webcast(at, kinds[at % 6]) for at in range(1, n + 1)), webcast(n + 1, "Gift", **gift), host])


def dycast(n: int) -> str:
    return json.dumps([
        {"id": str((S + at) << 32 | at), "method": "WebcastChatMessage", "user": {"id": f"MS{uid(at)}"},
         "content": text(at)}
        for at in range(1, n + 1)
    ])  # fmt: skip


def wxlivespy(n: int) -> str:
    def event(at: int) -> dict[str, Any]:
        kind = ["comment", "comment", "comment", "enter", "like", "gift"][at % 6]
        return {
            "decoded_type": kind, "msg_time": START_MS + at * 1_000, "msg_id": f"x_{at}", "content": text(at),
            "seq": at,
            "decoded_openid": f"o9h{uid(at)}", "nickname": f"客{uid(at)}", "gift_num": 1, "gift_value": 2,
        }  # fmt: skip

    about = {"host_info": {"finder_username": "v2_x"}, "live_info": {"live_id": "L1", "nickname": "甲店"}}
    return lines(
        about | {"events": [event(at) for at in range(first, min(first + 5, n + 1))]} for first in range(1, n + 1, 5)
    )


def wechat(n: int) -> str:
    def batch(at: int) -> dict[str, Any]:
        said = {"type": 1, "username": f"a{uid(at)}", "content": text(at), "seq": str(at * 2), "clientMsgId": f"c{at}"}
        reply = {"msgType": 20002, "seq": str(at * 2 + 1), "clientMsgId": f"r{at}", "payload": "e30=",
                 "fromUserContact": {"contact": {"username": "h1"}}}  # fmt: skip
        return {"data": {"liveInfo": {"liveId": "L1"}, "msgList": [said], "appMsgList": [reply] * (at % 9 == 0)},
                "ts": START_MS + at * 1_000}  # fmt: skip

    return lines(batch(at) for at in range(1, n + 1))


def kuaishou(n: int) -> str:
    def push(at: int) -> dict[str, Any]:
        user = {"principalId": f"3x{uid(at)}", "userName": "客"}
        gift = {"id": f"g{at}", "user": user, "time": str(START_MS + at * 1_000), "giftId": 9, "comboCount": 1}
        return {
            "commentFeeds": [{"id": f"k{at}", "user": user, "content": text(at)}], "giftFeeds": [gift] * (at % 5 == 0),
            "likeFeeds": [{"id": f"l{at}", "user": user}] * (at % 7 == 0), "timestamp": START_MS + at * 1_000,
        }  # fmt: skip

    return lines(push(at) for at in range(1, n + 1))


def blrec_raw(n: int) -> str:
    def danmu(at: int) -> dict[str, Any]:
        user, extra = [uid(at), f"客{uid(at)}", 0], {"ts": S + at, "ct": f"{at:X}"}
        return {
            "cmd": "DANMU_MSG",
            "info": [[0, 1, 25, 1, START_MS + at * 1_000], text(at), user, [], [], [], 0, 0, None, extra],
        }

    gift = {
        "uid": 2,
        "giftName": "辣条",
        "num": 2,
        "total_coin": 200,
        "coin_type": "gold",
        "timestamp": S + 6,
        "tid": "17",
    }
    came = {"uid": 3, "msg_type": 1, "timestamp": S + 7}
    return lines([
        *(danmu(at) for at in range(1, n + 1)),
        {"cmd": "SEND_GIFT", "data": gift}, {"cmd": "INTERACT_WORD", "data": came},
    ])  # fmt: skip


def chat_downloader(n: int) -> str:
    def item(at: int) -> dict[str, Any]:
        paid = {"money": {"amount": 30.0, "currency": "CNY"}, "message_type": "paid_message"} if at % 50 == 5 else {}
        return {
            "action_type": "add_chat_item", "author": {"id": f"u{uid(at)}", "name": "客"}, "message": text(at),
            "message_id": f"m{at}", "message_type": "text_message", "time_in_seconds": float(at),
            "timestamp": (START_MS + at * 1_000) * 1_000,
        } | paid  # fmt: skip

    return json.dumps([item(at) for at in range(1, n + 1)])


def tiktok(n: int) -> str:
    def event(at: int) -> dict[str, Any]:
        name = ["chat", "chat", "chat", "member", "follow", "like", "gift"][at % 7]
        data = {"user": {"userId": str(uid(at)), "uniqueId": "v"}, "comment": text(at), "repeatCount": 1, "giftId": 5,
                "common": {"msgId": str(at), "createTime": str(START_MS + at * 1_000)}}  # fmt: skip
        return {"event": name, "data": data}

    return lines(event(at) for at in range(1, n + 1))


def catcher(n: int) -> str:
    return lines(
        {"event_ts_ms": START_MS + at * 1_000, "server_now_ms": START_MS, "user_id": uid(at), "content": text(at)}
        for at in range(1, n + 1)
    )


def shadow_replay(n: int) -> str:
    return lines(
        {"ts": START_MS + at * 1_000, "platform": "douyin", "room_id": "77", "event_type": "danmu",
         "raw": {"id": str(at)}, "data": {"user_name": f"客{uid(at)}", "content": text(at)}}
        for at in range(1, n + 1)
    )  # fmt: skip


def table(n: int) -> str:
    rows = "".join(
        f"{20 + at // 3600}:{at // 60 % 60:02}:{at % 60:02},{uid(at)},客,{text(at)},\r\n" for at in range(1, n + 1)
    )
    return "\ufefftime,user_id,user_name,content,grade\r\n" + rows


def text_lines(n: int) -> str:
    return "".join(f"{START_MS + at * 1_000}:{text(at)}\n" for at in range(1, n + 1))


def danmaku_ass(n: int) -> str:
    head = "[Script Info]\n; Script generated by DanmakuFactory\n\n[Events]\nFormat: Layer, Start, End, Style, Name, "
    shown = "9:00:00.00,R2L,,0,0,0,,{\\move(1,2,3,4)}"
    rows = "".join(
        f"Dialogue: 0,{at // 3600}:{at // 60 % 60:02}:{at % 60:02}.00,{shown}{text(at)}\n" for at in range(1, n + 1)
    )
    return head + "MarginL, MarginR, MarginV, Effect, Text\n" + rows


def yt_dlp(n: int) -> str:
    def line(at: int) -> str:
        return youtube(
            at * 1_000, message={"runs": [{"text": text(at)}]}, authorExternalChannelId=f"UC{uid(at)}", id=f"m{at}"
        )

    paid = youtube(n * 1_000, "PaidMessage", id="p1", purchaseAmountText={"simpleText": "¥500"})
    return "".join(line(at) for at in range(1, n + 1)) + paid


def twitch_chat(n: int) -> str:
    cheer = tweet(n, "Cheer5", "77", bits_spent=5)
    return twitch(*(tweet(at, text(at), str(uid(at))) for at in range(1, n + 1)), cheer)


CHATS: dict[str, Callable[[int], str]] = {
    "yt-dlp": yt_dlp, "bililive-recorder": lambda n: bililive(*(bililive_d(at) for at in range(1, n + 1))),
    "blrec": lambda n: blrec(*(bililive_d(at) for at in range(1, n + 1))), "bililive-tools": bililive_tools,
    "biliup": biliup, "stream-rec": stream_rec, "rust-srec": rust_srec, "douyin-live-recorder": danmu_recorder,
    "danmaku": unknown_xml, "twitchdownloader": twitch_chat, "oba-live-tool": oba, "wxlivespy": wxlivespy,
    "wechat-live-msg": wechat, "douyin-barrage-grab": douyin_barrage_grab, "barrage-grab": barrage_grab,
    "douyin-live": douyin_live, "dycast": dycast, "douyin-danmaku-catcher": catcher, "shadow-replay": shadow_replay,
    "kuaishou-push": kuaishou, "blrec-raw": blrec_raw, "chat-downloader": chat_downloader, "tiktok-live": tiktok,
    "chat-csv": table, "chat-text": text_lines, "danmaku-ass": danmaku_ass,
}  # fmt: skip
"""A chat of so many messages in each format that `--chat` reads."""
