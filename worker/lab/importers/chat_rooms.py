"""Chats in JSON of other platforms and of tools that serve several: WeChat Channels, Kuaishou, Bilibili, YouTube."""

import base64
import binascii

from worker.lab.importers.chat_messages import (
    About,
    Entry,
    Kind,
    Message,
    comment,
    dropped,
    logged_ms,
    nested,
    obj,
    objs,
    who,
    whole,
    word,
)
from worker.lab.importers.instants import instant_ms, unix_ms
from worker.lab.importers.transcript_entries import number

_OBA: dict[str, tuple[Kind, str]] = {
    "comment": ("comment", "douyin"), "room_enter": ("joined", "douyin"), "room_like": ("liked", "douyin"),
    "room_follow": ("followed", "douyin"), "live_order": ("order", "douyin"), "taobao_comment": ("comment", "taobao"),
    "xiaohongshu_comment": ("comment", "xiaohongshu"), "wechat_channel_live_msg": ("comment", "wechat_channels"),
    "kuaishou_comment": ("comment", "kuaishou"),
}  # fmt: skip
PAID = "已付款"
SEEDS_PER_FEN = 10


def oba(entry: Entry, about: About) -> list[Message]:
    """oba-live-tool's messages: `time` is when they came; one order is told once for each of its states."""
    kind, platform = _OBA.get(word(entry.get("msg_type")), ("drop", ""))
    if kind == "drop":
        return dropped()
    about.platform = about.platform or platform
    author = who(entry.get("user_id"), entry.get("nick_name"))
    sent, ref = instant_ms(entry.get("time")), word(entry.get("msg_id"))
    if kind != "order":
        return [Message(kind, author, word(entry.get("content")).strip(), sent, ref)]
    if entry.get("order_status") != PAID:
        return dropped("order that is not paid yet")
    # Masked names fall together, so an order is known by its own id.
    return [Message("order", author, word(entry.get("product_id")), sent, ref.partition("#")[0])]


def wxlivespy(entry: Entry, about: About) -> list[Message]:
    """wxlivespy's batches: times are of decoding and equal within a poll; `seq` says the order."""
    batch = obj(entry.get("decoded_data")) or entry
    host, live = obj(batch.get("host_info")), obj(batch.get("live_info"))
    about.host = about.host or word(host.get("finder_username"))
    about.room = about.room or about.host
    about.host_name = about.host_name or word(live.get("nickname"))
    about.broadcast = about.broadcast or word(live.get("live_id"))
    found = []
    for event in sorted(objs(batch.get("events")), key=lambda event: whole(event.get("seq"))):
        author = who(event.get("decoded_openid") or event.get("sec_openid"), event.get("nickname"))
        sent = unix_ms(event.get("msg_time"))
        # `seq` counts from 1 in each broadcast, and is the same where a batch was sent twice.
        ref = word(event.get("msg_id")) or f"{about.broadcast}:{word(event.get('seq'))}"
        kind = event.get("decoded_type")
        if kind == "comment":
            said = comment(author, event.get("content"), sent, ref)
            said.kind = "host" if about.host_name and event.get("nickname") == about.host_name else "comment"
            found.append(said)
        elif kind == "enter":
            found.append(Message("joined", author, "", sent, ref))
        elif kind == "like":
            found.append(Message("liked", author, "", sent, ref))
        elif kind == "gift":
            gift = Message("gift", author, word(event.get("sec_gift_id")) or "gift", sent, ref)
            gift.count, gift.value = whole(event.get("gift_num"), 1), whole(event.get("gift_value"))
            found.append(gift)
        else:
            found += dropped()
    return found


def wechat_raw(entry: Entry, about: About) -> list[Message]:
    """WeChat Channels' own answers: the only ones that hold the host's written replies."""
    data = obj(entry.get("data")) or obj(obj(entry.get("response")).get("data"))
    live = obj(data.get("liveInfo"))
    about.broadcast = about.broadcast or word(live.get("liveId"))
    about.room = about.room or about.broadcast
    sent, found = logged_ms(entry), list[tuple[int, Message]]()
    for said in objs(data.get("msgList")):
        author, ref = who(said.get("username"), said.get("nickname")), word(said.get("clientMsgId"))
        kinds: dict[int, Kind] = {1: "comment", 10005: "joined"}
        kind = kinds.get(whole(said.get("type")), "drop")
        text = word(said.get("content")).strip() if kind == "comment" else ""
        found.append((whole(said.get("seq")), Message(kind, author, text or "message of the platform", sent, ref)))
    for said in objs(data.get("appMsgList")):
        contact = obj(obj(said.get("fromUserContact")).get("contact"))
        author = who(contact.get("username"), contact.get("nickname"))
        message = Message("drop", author, "message of the platform", sent, word(said.get("clientMsgId")))
        kind_number, payload = whole(said.get("msgType")), _payload(said.get("payload"))
        if kind_number == 20002:
            message.kind = "host"
        elif kind_number == 20006:
            message.kind = "liked"
        elif kind_number == 20009:
            message.kind, message.text = "gift", word(payload.get("reward_product_id")) or "gift"
            message.value = whole(payload.get("reward_amount_in_wecoin"))
        found.append((whole(said.get("seq")), message))
    return [message for _, message in sorted(found, key=lambda pair: pair[0])]


def _payload(value: object) -> Entry:
    if isinstance(value, dict):
        return value
    try:
        return obj(nested(base64.b64decode(word(value)[: 1 << 20], validate=True).decode("utf-8", "replace")))
    except (binascii.Error, ValueError):
        return {}


def kuaishou(entry: Entry, about: About) -> list[Message]:
    """Kuaishou's web push: gifts have a time, comments are placed by when the push was logged, or beside them."""
    about.platform = "kuaishou"
    logged, found = logged_ms(entry), list[Message]()
    for said in objs(entry.get("commentFeeds")):
        found.append(
            comment(_kuaishou_user(said), said.get("content"), unix_ms(said.get("time")) or logged, said.get("id"))
        )
    for said in objs(entry.get("giftFeeds")):
        author, gift_id = _kuaishou_user(said), word(said.get("giftId"))
        gift = Message("gift", author, gift_id or "gift", unix_ms(said.get("time")) or logged, word(said.get("id")))
        gift.count = whole(said.get("comboCount"), 1) * max(1, whole(said.get("batchSize"), 1))
        gift.streak = f"{author}\0{gift_id}\0{word(said.get('mergeKey'))}" if said.get("mergeKey") else ""
        found.append(gift)
    for said in objs(entry.get("likeFeeds")):
        found.append(
            Message("liked", _kuaishou_user(said), "", unix_ms(said.get("time")) or logged, word(said.get("id")))
        )
    return found


def _kuaishou_user(said: Entry) -> str:
    user = obj(said.get("user"))
    return who(user.get("principalId"), user.get("userName"))


def bilibili_raw(entry: Entry, about: About) -> list[Message]:
    """Bilibili's commands as blrec keeps them with `raw` on."""
    command, data = word(entry.get("cmd")).partition(":")[0], obj(entry.get("data"))
    if command == "DANMU_MSG":
        return _danmu(entry)
    sent = unix_ms(data.get("timestamp") or data.get("ts") or data.get("start_time")) or unix_ms(entry.get("send_time"))
    author = who(data.get("uid"), data.get("uname") or data.get("username"))
    if command == "SEND_GIFT":
        gift = Message("gift", author, word(data.get("giftName")) or "gift", sent, word(data.get("tid")))
        gift.count, gift.currency = whole(data.get("num"), 1), "CNY"
        gift.value = whole(data.get("total_coin")) // SEEDS_PER_FEN if data.get("coin_type") == "gold" else 0
        return [gift]
    if command == "SUPER_CHAT_MESSAGE":
        ref = word(data.get("id"))
        gift = Message(
            "gift", author, "super_chat", sent, f"{ref}$", 1, round(100 * (number(data.get("price")) or 0)), "CNY"
        )
        return [gift, comment(author, data.get("message"), sent, ref)]
    if command == "GUARD_BUY":
        gift = Message("gift", author, f"guard_{word(data.get('guard_level'))[:8]}", sent)
        gift.value, gift.currency = whole(data.get("price")) * max(1, whole(data.get("num"))) // SEEDS_PER_FEN, "CNY"
        return [gift]
    if command == "INTERACT_WORD":
        kinds: dict[int, Kind] = {1: "joined", 2: "followed", 3: "shared"}
        kind = kinds.get(whole(data.get("msg_type")))
        return dropped() if kind is None else [Message(kind, author, "", sent)]
    if command == "LIKE_INFO_V3_CLICK":
        return [Message("liked", author, "", sent)]
    if command == "INTERACT_WORD_V2":
        return dropped("viewer's coming and going that is encoded (INTERACT_WORD_V2)")
    return dropped()


def _danmu(entry: Entry) -> list[Message]:
    info = entry["info"]
    head, user = info[0], info[2]
    ref = word(obj(info[9]).get("ct")) if len(info) > 9 else ""
    return [comment(who(user[0], user[1]), info[1], unix_ms(head[4]), f"{ref}:{head[4]}" if ref else "")]


def chat_downloader(entry: Entry, about: About) -> list[Message]:
    """chat-downloader's items; tickers repeat paid messages."""
    if word(entry.get("action_type")) not in ("", "add_chat_item") or "ticker" in word(entry.get("message_type")):
        return dropped("ticker (repeats a paid message)")
    author_of = obj(entry.get("author"))
    author = who(author_of.get("id"), author_of.get("name"))
    sent, ref = unix_ms(entry.get("timestamp")), word(entry.get("message_id"))
    at = number(entry.get("time_in_seconds"))
    place = None if at is None or abs(at) > 1e7 else round(at * 1_000)
    found, money = list[Message](), obj(entry.get("money"))
    if money:
        paid = Message("gift", author, "super_chat", sent, f"{ref}$", place_ms=place)
        currency, amount = word(money.get("currency")), number(money.get("amount"))
        if amount is not None and len(currency) == 3:
            minor = 1 if currency in ("JPY", "KRW", "CLP", "VND") else 100
            paid.value, paid.currency = round(min(1e12, abs(amount)) * minor), currency.upper()
        found.append(paid)
    if text := word(entry.get("message")).strip():
        found.append(Message("comment", author, text, sent, ref, place_ms=place))
    return found or dropped("comment without text")
