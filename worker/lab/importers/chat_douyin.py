"""Chats of Douyin and TikTok in JSON, as the programs log them that listen to a room's web socket.

A gift is counted once: while a streak runs its count grows, and its last message repeats the total.
"""

from worker.lab.importers.chat_messages import (
    FEN_PER_DIAMOND,
    About,
    Entry,
    Kind,
    Message,
    comment,
    dropped,
    logged_ms,
    nested,
    obj,
    who,
    whole,
    word,
)
from worker.lab.importers.instants import instant_ms, unix_ms
from worker.lab.importers.recording import NO_CURRENCY

# The two programs of one name share their keys, but not their numbers. Data is text in one, an object in the other.
_AS_TEXT: dict[int, Kind] = {1: "comment", 2: "liked", 3: "joined", 4: "followed", 5: "gift", 8: "shared"}
_AS_OBJECT: dict[int, Kind] = {1: "joined", 2: "followed", 3: "comment", 4: "liked", 5: "gift", 6: "shared"}
_METHODS: dict[str, Kind] = {
    "WebcastChatMessage": "comment", "WebcastGiftMessage": "gift", "WebcastLikeMessage": "liked",
    "WebcastMemberMessage": "joined", "WebcastSocialMessage": "followed", "WebcastEmojiChatMessage": "comment",
}  # fmt: skip
_SHARED = ("3", "share")


def diamonds(count: int, each: int) -> tuple[int, str]:
    """(fen, currency) of so many gifts at so many coins each."""
    return (count * each * FEN_PER_DIAMOND, "CNY") if each else (0, NO_CURRENCY)


def barrage_grab(entry: Entry, about: About) -> list[Message]:
    """DouyinBarrageGrab (Data is text) and BarrageGrab (Data is an object): neither writes a time."""
    kinds, data = _AS_OBJECT, entry.get("Data")
    if isinstance(data, str):
        kinds, data = _AS_TEXT, nested(data)
    data = obj(data)
    about.room = about.room or word(data.get("WebRoomId")) or word(data.get("RoomId"))
    about.broadcast = about.broadcast or word(data.get("RoomId"))
    owner, user = obj(data.get("Onwer")) or obj(data.get("Owner")), obj(data.get("User"))
    about.host = about.host or word(owner.get("UserId"))
    kind = kinds.get(whole(entry.get("Type")))
    if kind is None or not user:
        return dropped()
    author = who(user.get("Id"), user.get("Nickname") or user.get("NickName"))
    message = Message(kind, author, sent_ms=logged_ms(entry) or logged_ms(data), ref=word(data.get("MsgId")))
    if kind == "comment":
        message.text = word(data.get("Content")).strip()
    elif kind == "liked":
        message.count = whole(data.get("Count"), 1)
    elif kind == "gift":
        message.text = word(data.get("GiftName"))
        each = whole(data.get("DiamondCount"))
        if kinds is _AS_TEXT:  # already what was added since the message before
            message.count = whole(data.get("GiftCount"), 1)
        else:
            message.count = max(
                whole(data.get("RepeatCount")), whole(data.get("ComboCount")) * max(1, whole(data.get("GroupCount")))
            ) or 1  # fmt: skip
            message.streak = f"{author}\0{word(data.get('GiftId'))}\0{word(data.get('GroupId'))}"
            message.last = whole(data.get("RepeatEnd")) > 0
        message.value, message.currency = diamonds(message.count, each)
    return [message]


def webcast(entry: Entry, about: About) -> list[Message]:
    """douyinLive (protojson: 64-bit numbers are strings), dycast and its relatives: `method` names the message."""
    about.host_name = about.host_name or word(entry.get("livename"))
    about.title = about.title or word(entry.get("title"))
    user, common = obj(entry.get("user")), obj(entry.get("common"))
    kind = _METHODS.get(word(entry.get("method")))
    if kind is None or not (user or "content" in entry):
        about.room = about.room or word(entry.get("room_id"))
        return dropped()
    about.broadcast = about.broadcast or word(common.get("roomId") or common.get("room_id"))
    name = user.get("nickName") or user.get("nickname") or user.get("name")
    author = who(user.get("id") or user.get("idStr"), name)
    sent = (
        unix_ms(entry.get("eventTime") or entry.get("event_time"))
        or unix_ms(common.get("createTime") or common.get("create_time")) or logged_ms(entry)
    )  # fmt: skip
    ref = word(common.get("msgId") or common.get("msg_id")) or word(entry.get("id"))
    message = Message(kind, author, sent_ms=sent, ref=ref)
    if kind == "comment":
        message.text = word(entry.get("content")).strip()
        message.kind = "host" if name and name == about.host_name else "comment"
    elif kind == "liked":
        message.count = whole(entry.get("count"), 1)
    elif kind == "followed":
        message.kind = "shared" if word(entry.get("action")) in _SHARED else "followed"
    elif kind == "gift":
        gift = obj(entry.get("gift"))
        message.text = word(gift.get("name"))
        count = whole(gift.get("count")) or max(
            whole(entry.get("repeatCount")), whole(entry.get("comboCount")) * max(1, whole(entry.get("groupCount")))
        )  # fmt: skip
        message.count = count or 1
        message.value, message.currency = diamonds(
            message.count, whole(gift.get("diamondCount")) or whole(gift.get("price"))
        )
        message.streak = f"{author}\0{message.text}\0{word(entry.get('groupId'))}"
        message.last = whole(entry.get("repeatEnd", gift.get("repeatEnd"))) > 0
    return [message]


def catcher(entry: Entry, about: About) -> list[Message]:
    """DouyinDanmakuCatcher: comments with the platform's sending time, and no id of the message."""
    author = who(entry.get("user_id"), entry.get("user_name"))
    sent = unix_ms(entry.get("event_ts_ms")) or unix_ms(entry.get("server_now_ms")) or instant_ms(entry.get("recv_iso"))
    return [comment(author, entry.get("content"), sent)]


def shadow_replay(entry: Entry, about: About) -> list[Message]:
    """bili-shadowreplay's newer files: arrival times, and the name of who wrote."""
    about.platform = about.platform or word(entry.get("platform"))
    about.room = about.room or word(entry.get("room_id"))
    data, raw = obj(entry.get("data")), obj(entry.get("raw"))
    if entry.get("event_type") not in ("danmu", "comment", "chat"):
        return dropped()
    author = who(data.get("user_id"), data.get("user_name"))
    return [comment(author, data.get("content"), unix_ms(entry.get("ts")), raw.get("id"))]


def tiktok(entry: Entry, about: About) -> list[Message]:
    """TikTok-Live-Connector's and TikTokLive's events: coins have no fixed price in money."""
    data = obj(entry.get("data")) or entry
    user, common = obj(data.get("user")), obj(data.get("common"))
    event = word(entry.get("event") or entry.get("type")).lower().removesuffix("event")
    author = who(user.get("userId") or data.get("userId"), user.get("uniqueId") or data.get("uniqueId"))
    sent = unix_ms(common.get("createTime") or data.get("createTime")) or logged_ms(entry) or logged_ms(data)
    ref = word(common.get("msgId") or data.get("msgId"))
    if event in ("chat", "comment"):
        return [comment(author, data.get("comment") or data.get("content"), sent, ref)]
    if event == "gift":
        details = obj(data.get("giftDetails")) or obj(data.get("gift")) or data
        gift = Message("gift", author, word(details.get("giftName") or details.get("name")) or "gift", sent, ref)
        gift.count = whole(data.get("repeatCount"), 1)
        gift.value = gift.count * whole(details.get("diamondCount"))
        if whole(details.get("giftType") or data.get("giftType")) == 1:
            gift.streak = f"{author}\0{word(data.get('giftId'))}\0{word(data.get('groupId'))}"
            gift.last = bool(data.get("repeatEnd"))
        return [gift]
    simple: dict[str, Kind] = {
        "like": "liked", "member": "joined", "join": "joined", "follow": "followed", "share": "shared",
    }  # fmt: skip
    if event not in simple:
        return dropped()
    return [Message(simple[event], author, "", sent, ref, whole(data.get("likeCount") or data.get("count"), 1))]
