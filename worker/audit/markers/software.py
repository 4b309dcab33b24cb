"""Selling or teaching virtual-host software: a lexicon with context, in speech, the title and the host's comments.

An utterance counts when it names such software *and* sells or teaches it, and does not warn or deny. A warning within
a minute before cancels: a room that warns against the software talks about it all the time. Where warnings are as
many as mentions, nothing is suspected. One mention is SUSPECTED, two POSSIBLE, four over at least a minute CONFIRMED.
Ordinary hosts say 促单, 下单, 链接 too: without a software term nothing counts. The words and counts are ours, and no
platform has audited them; the latest 16 mentions and warnings are kept.

Abstains: no speech recognised, no title, no comment of the host. Evasion: homophones, new names, pictures of text, or
a warning now and then; nothing else here reads what is sold. Cost: 1 µs a segment, 4 when it has a letter of such a
term, 15 with a term.
"""

import re

from worker.audit.characters import whole_word
from worker.audit.excerpts import quote
from worker.audit.facts import FACT_BIT, Certainty, SoftwarePromotion
from worker.audit.room import MENTIONS_MAX, Room

_SOFTWARE = re.compile(
    r"无人直播|(?:数字人|虚拟人|虚拟主播|AI主播|智能主播|真人替身)[^，。！？,.!?]{0,6}"
    r"(?:直播间?搭建|代播|软件|系统|源码|平台|工具|课程|教程|克隆|定制|挂着)|"
    r"自动回复弹幕|弹幕自动回复|关键词(?:触发|自动回复)|(?:弹幕|公屏|评论区?)关键词回复|"
    r"录播循环|循环录播|话术改写|直播挂机|挂机直播|24小时(?:不间断)?(?:无人|自动|挂机)|"
    r"(?:virtual[- ]host|ai[- ](?:avatar|host|streamer)|digital[- ]human) (?:software|system|tool|course)|"
    r"unattended live ?stream",
    re.ASCII | re.IGNORECASE,
)
_HINTS = re.compile("[无数虚智替弹键循写挂4AaIiDdUuVv]")
"""Every software term has one of these letters; most speech has none."""
_SELLS = re.compile(
    r"下单|拍下|链接|购买|买|优惠|价格|[0-9零一二三四五六七八九十百千]+[块元]|一套|授权|代理|加盟|招商|源码|定制|试用|加微信|领取|"
    + whole_word("buy|price|order|discount|license|sale"),
    re.ASCII | re.IGNORECASE,
)
_TEACHES = re.compile(
    r"教程|教你|教大家|课程|培训|学员|学会|搭建|安装|部署|演示|怎么用|怎么做|开播|"
    + whole_word("teach|course|tutorial|learn|install|set up"),
    re.ASCII | re.IGNORECASE,
)
_WARNS = re.compile(
    r"不要|别(?:买|信|用|去|再|被)|千万别|禁止|违规|违法|骗[局子人了钱]|被骗|(?<!防)(?<!不)(?<!会)封号|(?<!防)封禁|警惕|防骗|当心|踩坑|"
    r"从来?不(?:用|卖)|拒绝|举报|打击|曝光|上当|小心|抵制|不得|不允许|处罚|不是(?:数字人|虚拟|AI|ai)|没有用|割韭菜|"
    + whole_word("don't|do not|never|scam|banned|beware|illegal|report"),
    re.ASCII | re.IGNORECASE,
)
WARNING, SELLING, TEACHING = -1, 1, 2  # the latter two add up
SOURCES = ("speech", "title", "comment")
_SOURCE = 4  # codes count in fours where they come from
QUIET_AFTER_WARNING_MS = 60_000
CONFIRM_MENTIONS, CONFIRM_SPAN_MS = 4, 60_000


def read(room: Room, text: str, at_ms: int, by: str, offset: int) -> None:
    """Read one utterance of the host."""
    if _HINTS.search(text) is None or _SOFTWARE.search(text) is None:
        return
    if _WARNS.search(text):
        code = WARNING
    else:
        code = SELLING * bool(_SELLS.search(text)) + TEACHING * bool(_TEACHES.search(text))
        if not code:
            return
        code += _SOURCE * SOURCES.index(by)
    room.session.mentions = tuple(sorted((*room.session.mentions, (at_ms, code))))[-MENTIONS_MAX:]
    said, warnings = _counted(room)
    if (at_ms, code) in said:
        quote(room, at_ms, "software_promotion", text, offset)
    _judge(room, said, len(warnings))


def _counted(room: Room) -> tuple[list[tuple[int, int]], list[int]]:
    """The mentions that no warning cancels, and when warnings were said; by time, so that order does not matter."""
    warned = [at_ms for at_ms, code in room.session.mentions if code == WARNING]
    said = [
        (at_ms, code)
        for at_ms, code in room.session.mentions
        if code != WARNING and not any(0 <= at_ms - then <= QUIET_AFTER_WARNING_MS for then in warned)
    ]
    return said, warned


def _judge(room: Room, said: list[tuple[int, int]], warnings: int) -> None:
    old = room.session.facts.software_promotion
    if not said or warnings >= len(said):
        new = SoftwarePromotion()
    else:
        span_ms = max(then for then, _ in said) - min(then for then, _ in said)
        if len(said) >= CONFIRM_MENTIONS and span_ms >= CONFIRM_SPAN_MS:
            certainty = Certainty.CONFIRMED
        else:
            certainty = Certainty.POSSIBLE if len(said) >= 2 else Certainty.SUSPECTED
        codes = [code for _, code in said]
        new = SoftwarePromotion(
            certainty,
            SOURCES[said[-1][1] // _SOURCE],
            len(said),
            any(code & SELLING for code in codes),
            any(code & TEACHING for code in codes),
            old.since_ms or room.appended_ms,
        )
    if new != old:
        room.session.facts.software_promotion = new
        room.changed |= FACT_BIT["software_promotion"]
