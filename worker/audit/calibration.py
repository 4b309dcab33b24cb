"""Calibration: what audited human rooms look like. *Provisional* until a platform has audited its own.

A detector's score means nothing by itself; its rank among human rooms does. A table (`audit.tables`) holds, per
detector, version and stratum, the scores at some ranks among audited human looks. A detector, version or stratum
without a table abstains: a new version starts with no evidence until it is calibrated.
"""

from bisect import bisect_right
from itertools import pairwise

from worker.audit.tables import HUMAN_SCORES, VERSION

CALIBRATION_VERSION = VERSION

RANKS: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
HIGH = 0.95
"""Looks above this rank are high; one in twenty of a human's is."""

_RANKS = (0.0, *RANKS, 1.0)


def rank(detector: str, version: str, stratum: str, score: float) -> float | None:
    """The share of audited human looks that lie below a score in [0,1], piecewise linear between the table's ranks.

    None without a table for this detector, version and stratum.
    """
    scores = HUMAN_SCORES.get((detector, version, stratum))
    if scores is None:
        return None
    i = bisect_right(scores, score)
    low, high = (scores[i - 1] if i else 0.0), (scores[i] if i < len(scores) else 1.0)
    if high <= low:
        return 1.0
    return _RANKS[i] + (_RANKS[i + 1] - _RANKS[i]) * (score - low) / (high - low)


LATENCY_SPREAD_LOW = 0.21
"""SD of ln delay: the 1 % quantile of eight answers whose σ is 0.5, the lower end of what detection studies sweep for
people (no distribution is published): 0.5·√(χ²₀.₀₁(7)/7)."""

BURSTINESS_LOW = -0.53
"""Burstiness of pauses: the 1 % quantile of thirty log-normal pauses with σ 0.5 (simulated), less than people vary:
pauses are log-normal, and wider, in Campione and Véronis, "A large-scale multilingual study of silent pause duration",
Speech Prosody 2002."""

LONG_PAUSES_LOW = 0.033
"""Share of pauses above a second: fewer than 1 in 30, the 1 % quantile of thirty log-normal pauses with median 0.5 s
and σ 0.8 (simulated); pauses above a second occur in spontaneous, not in read speech (ibid.)."""

BIGRAM_IDF_DEFAULT_NATS = 6.0
"""Inverse document frequency of a bigram not listed: about one utterance in 400."""


def _grams(words: str) -> list[str]:
    return [a + b for word in words.split() for a, b in pairwise(word)]


_EVERYWHERE = (
    "这个 我们 你们 大家 宝宝 家人 人们 老铁 主播 直播 播间 一个 就是 可以 没有 有没 什么 怎么 多少 少钱 是不 不是 "
    "喜欢 "
    "今天 现在 真的 非常 特别 的话 时候 因为 所以 但是 然后 还有 还是 已经 可能 如果 知道 觉得 我的 你的 的是 是的 "
    "来说 "
    "一下 给大 家看 看一 感谢 谢谢 欢迎 来到 关注 点点 点赞 双击 小黄 黄车 下单 链接 号链 拍下 这款 那个 那款 一款 "
    "的这 "
    "了一 个是 是我 是一 不要 要的 的宝 需要 想要 the th he in er an re on at en nd to ing is it you"
)
_OFTEN = (
    "好看 便宜 价格 优惠 库存 发货 包邮 质量 尺码 颜色 推荐 适合 东西 效果 产品 品牌 正品 售后 退换 活动 福利 抽奖 "
    "礼物 "
    "朋友 姐妹 新款 爆款 直接 赶紧 马上 最后 倒计 计时 开始 几号 号的 身高 体重 斤穿 穿多 多大 大码"
)
BIGRAM_IDF_NATS: dict[str, float] = dict.fromkeys(_grams(_OFTEN), 3.0) | dict.fromkeys(_grams(_EVERYWHERE), 1.2)
"""Inverse document frequency in nats of bigrams that live sellers say all the time."""
