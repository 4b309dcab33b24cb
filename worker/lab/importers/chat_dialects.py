"""The writers of chats in JSON: by which keys each is known, and who takes its entries.

The first that fits is taken, so the special comes before the general. A writer is known by the keys of an
entry and the kind of their values, never by words that occur somewhere in the file.
"""

from collections.abc import Callable
from dataclasses import dataclass

from worker.lab.importers import chat_douyin, chat_rooms
from worker.lab.importers.chat_messages import Entry, Take


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """One writer; `arrival` says that its times are when messages came, not when they were sent."""

    name: str
    platform: str
    keys: frozenset[str]
    take: Take
    fits: Callable[[Entry], bool] = lambda _: True
    arrival: bool = False
    ids_hold_times: bool = False
    """Whether a message's id is its Unix second in the upper bits, as Douyin makes them."""


def _d(
    name: str, platform: str, keys: str, take: Take, fits: Callable[[Entry], bool] = lambda _: True, *,
    arrival: bool = False, ids: bool = False,
) -> ChatDialect:  # fmt: skip
    return ChatDialect(name, platform, frozenset(keys.split()), take, fits, arrival, ids)


def _is_batch(entry: Entry) -> bool:
    batch = entry.get("decoded_data", entry)
    return isinstance(batch, dict) and isinstance(batch.get("events"), list) and "live_info" in batch


def _is_wechat(entry: Entry) -> bool:
    data = entry.get("data")
    return isinstance(data, dict) and ("msgList" in data or "appMsgList" in data)


def _is_tiktok(entry: Entry) -> bool:
    data = entry.get("data", entry)
    return isinstance(data, dict) and "user" in data


def _is_command(entry: Entry) -> bool:
    return isinstance(entry["cmd"], str) and ("info" in entry or "data" in entry)


DIALECTS: tuple[ChatDialect, ...] = (
    _d("oba-live-tool", "douyin", "msg_type nick_name", chat_rooms.oba, arrival=True),
    _d("wxlivespy", "wechat_channels", "live_info events", chat_rooms.wxlivespy, _is_batch, arrival=True),
    _d("wxlivespy", "wechat_channels", "decoded_data", chat_rooms.wxlivespy, _is_batch, arrival=True),
    _d("wechat-live-msg", "wechat_channels", "data", chat_rooms.wechat_raw, _is_wechat, arrival=True),
    _d("douyin-barrage-grab", "douyin", "Type Data", chat_douyin.barrage_grab,
       lambda entry: isinstance(entry["Data"], str), arrival=True, ids=True),
    _d("barrage-grab", "douyin", "Type Data", chat_douyin.barrage_grab,
       lambda entry: isinstance(entry["Data"], dict), arrival=True, ids=True),
    _d("dycast", "douyin", "method id user", chat_douyin.webcast,
       lambda entry: "common" not in entry and str(entry["method"]).startswith("Webcast"), arrival=True, ids=True),
    _d("douyin-live", "douyin", "method", chat_douyin.webcast,
       lambda entry: str(entry["method"]).startswith("Webcast"), ids=True),
    _d("douyin-danmaku-catcher", "douyin", "event_ts_ms user_id content", chat_douyin.catcher),
    _d("shadow-replay", "other", "ts event_type data platform", chat_douyin.shadow_replay, arrival=True),
    _d("kuaishou-push", "kuaishou", "commentFeeds", chat_rooms.kuaishou, arrival=True),
    _d("kuaishou-push", "kuaishou", "giftFeeds", chat_rooms.kuaishou, arrival=True),
    _d("kuaishou-push", "kuaishou", "likeFeeds", chat_rooms.kuaishou, arrival=True),
    _d("blrec-raw", "bilibili", "cmd", chat_rooms.bilibili_raw, _is_command),
    _d("chat-downloader", "other", "message_type author", chat_rooms.chat_downloader),
    _d("chat-downloader", "other", "message_type time_in_seconds", chat_rooms.chat_downloader),
    _d("tiktok-live", "tiktok_shop", "event data", chat_douyin.tiktok, _is_tiktok),
    _d("tiktok-live", "tiktok_shop", "type user", chat_douyin.tiktok, _is_tiktok),
)  # fmt: skip
"""In the order in which they are tried."""


def recognise_chat(entry: object) -> ChatDialect | None:
    """The first dialect whose keys are there and whose values fit."""
    if not isinstance(entry, dict):
        return None
    keys = entry.keys()
    return next((d for d in DIALECTS if d.keys <= keys and d.fits(entry)), None)
