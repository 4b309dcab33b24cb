"""Times as recorders write them: numbers in one of four units, ISO 8601, or a wall clock in Beijing."""

import re
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
FROM_S, TO_S = 1_420_070_400, 4_102_444_800  # 2015 and 2100: no recording lies outside
MS_DIGITS = 13
_UNITS = (1_000.0, 1.0, 0.001, 0.000_001)  # seconds, ms, µs, ns as ms
_WALL = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[ T_](\d{1,2})[:时-](\d{2})(?:[:分-](\d{2})(?:[.,](\d{1,6}))?)?秒?"
)
PLATFORMS = {
    "douyin": "douyin", "bilibili": "bilibili", "xhs": "xiaohongshu", "xiaohongshu": "xiaohongshu",
    "kuaishou": "kuaishou", "taobao": "taobao", "tiktok": "tiktok_shop", "twitch": "twitch", "youtube": "youtube",
    "wxchannel": "wechat_channels", "wechat": "wechat_channels", "wechat_channels": "wechat_channels", "jd": "jd",
}  # fmt: skip
"""The room log's name of a platform, by the writers' names of it in lower case."""


def unix_ms(value: object) -> int:
    """A Unix time in s, ms, µs or ns, told by its size, as ms; 0 if it is none."""
    if isinstance(value, str):
        if len(value) == MS_DIGITS and value.isascii() and value.isdigit():  # nearly all are
            found = int(value)
            return found if FROM_S * 1_000 <= found <= TO_S * 1_000 else 0
        if not 9 <= len(value) <= 24 or not value.isascii():
            return 0
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    for unit in _UNITS:
        if FROM_S * 1_000 <= value * unit <= TO_S * 1_000:
            return round(value * unit)
    return 0


def instant_ms(value: object) -> int:
    """A Unix time, an ISO 8601 time or a wall clock (Beijing's, if it has no offset) as Unix ms; 0 if it is none."""
    found = unix_ms(value)
    if found or not isinstance(value, str) or not 8 <= len(value) <= 40:
        return found
    text = value.strip()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        wall = _WALL.fullmatch(text)
        if wall is None:
            return 0
        year, month, day, hour, minute, second = (int(field or 0) for field in wall.groups()[:6])
        try:
            at = datetime(year, month, day, hour, minute, second, int((wall[7] or "0").ljust(6, "0")))
        except ValueError:
            return 0
    try:
        ms = round((at if at.tzinfo else at.replace(tzinfo=BEIJING)).timestamp() * 1_000)
    except (OverflowError, OSError, ValueError):
        return 0
    return ms if FROM_S * 1_000 <= ms <= TO_S * 1_000 else 0
