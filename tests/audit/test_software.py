"""Virtual-host software: sold or taught is promotion; warned of, denied, or only mentioned is not."""

import pytest

from tests.audit.build import SECOND, a_room, beat, ev, say
from worker.audit import events as e
from worker.audit.facts import Certainty, SoftwarePromotion
from worker.audit.room import MENTIONS_MAX, Room

SELLS = [
    "数字人直播软件今天优惠，点链接下单",
    "无人直播源码一套三百块拍下就发",
    "这套虚拟主播系统可以加微信试用",
    "our virtual host software, buy it with a discount",
    "招商代理：24小时无人直播",
]
TEACHES = [
    "数字人直播教程，教你从零搭建",
    "无人直播怎么做，课程里都有",
    "learn how to install the digital human software",
]
HARMLESS = [
    "今天下单有优惠，点链接",
    "教大家怎么穿搭",
    "我们家主播24小时在线",
    "我看过一个数字人直播",
    "无人机直播课程",
    "软件教程，五十块一套",
    "buy this course now",
    "the host sells software",
    "关注公众号关键词回复一领取优惠券",
]
WARNS = [
    "千万别买数字人直播软件，都是骗人的",
    "无人直播是违规的，会封号，不要买",
    "我从来不用数字人直播软件，链接里都是我自己",
    "有人卖无人直播课程，大家小心上当",
    "never buy virtual host software, it is a scam",
    "平台禁止无人直播教程",
    "卖数字人直播软件的都被举报了",
]


def after(*texts: str, every_s: int = 30) -> SoftwarePromotion:
    return a_room(
        [beat(0), *(say(i * every_s * SECOND, text) for i, text in enumerate(texts))]
    ).session.facts.software_promotion


@pytest.mark.parametrize("text", SELLS)
def test_selling_is_suspected_at_once(text: str) -> None:
    fact = after(text)
    assert (fact.certainty, fact.selling, fact.mentions) == (Certainty.SUSPECTED, True, 1)


@pytest.mark.parametrize("text", TEACHES)
def test_teaching_is_suspected_at_once(text: str) -> None:
    fact = after(text)
    assert (fact.certainty, fact.teaching) == (Certainty.SUSPECTED, True)


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_selling_teaching_and_mentioning_is_nothing(text: str) -> None:
    assert after(*[text] * 8) == SoftwarePromotion()


@pytest.mark.parametrize("text", WARNS)
def test_warning_and_denying_is_nothing_however_often(text: str) -> None:
    assert after(*[text] * 8) == SoftwarePromotion()


def test_certainty_rises_with_mentions_spread_over_a_minute() -> None:
    assert [after(*SELLS[:n]).certainty for n in (1, 2, 3, 4)] == [1, 2, 2, 3]
    assert after(*SELLS[:4], every_s=1).certainty == Certainty.POSSIBLE


@pytest.mark.parametrize(("gap_s", "counts"), [(60, False), (61, True)])
def test_a_quotation_within_a_minute_of_a_warning_does_not_count(gap_s: int, counts: bool) -> None:
    quoted = (SELLS[0], SELLS[1])
    texts = [say(0, WARNS[0]), say(gap_s * SECOND, quoted[0]), say(gap_s * SECOND + 1, quoted[1])]
    assert bool(a_room([beat(0), *texts]).session.facts.software_promotion.certainty) is counts


def test_as_many_warnings_as_mentions_suspect_nobody() -> None:
    one = [say(0, SELLS[0]), say(10_000, WARNS[0])]
    assert a_room([beat(0), *one]).session.facts.software_promotion == SoftwarePromotion()
    assert a_room([beat(0), say(0, SELLS[0]), *one]).session.facts.software_promotion.certainty == Certainty.POSSIBLE


def test_the_title_and_the_hosts_comments_count_and_a_viewers_do_not() -> None:
    def said(room: Room) -> int:
        return room.session.facts.software_promotion.certainty

    assert said(a_room([beat(0, title=SELLS[0]), beat(1_000, title=SELLS[0])])) == Certainty.SUSPECTED
    assert said(a_room([beat(0), ev(e.ViewerComment, 1, text=SELLS[0], viewer_id="h1")])) == Certainty.SUSPECTED
    assert said(a_room([beat(0), ev(e.ViewerComment, 1, text=SELLS[0])])) == Certainty.NONE


def test_quotations_are_redacted_and_mentions_bounded() -> None:
    room = a_room([beat(0), *(say(i * SECOND, "无人直播软件链接 加微信 13812345678 找 @老王") for i in range(50))])
    assert len(room.session.mentions) == MENTIONS_MAX
    assert [x.text for x in room.session.excerpts] == ["无人直播软件链接 加微信 ▪▪▪ 找 ▪▪▪"] * 2
