"""Danmaku XML by BililiveRecorder and blrec."""

import json

import pytest

from tests.lab.importers.made_up import START_MS, Importer, bililive, blrec
from worker.lab.importers import ImportRefusedError


def d(offset_s: float, sent_ms: int, text: str = "多少钱", uid: str = "9001", user: str = "观众乙") -> str:
    """A comment as BililiveRecorder writes it: stopwatch offset, server time."""
    return f'<d p="{offset_s:.3f},1,25,16777215,{START_MS + sent_ms},0,{uid},0" user="{user}">{text}</d>'


def test_arrival_is_not_sending_so_the_servers_time_counts(run: Importer) -> None:
    # Right after connecting, five comments sent over 509 ms were written within 2 ms.
    sent = [1_000, 1_130, 1_254, 1_380, 1_509]
    burst = [d(1.6 + n / 2_000, at) for n, at in enumerate(sent)]
    assert run(bililive(*burst)).offsets("viewer.comment") == sent


def test_a_recorders_clock_that_is_off_is_corrected_by_the_servers(run: Importer) -> None:
    wrong = "2026-05-28T19:26:40.1234567+00:00"
    room = run(bililive(*(d(n, n * 1_000) for n in range(1, 6)), start=wrong))
    assert room.offsets("viewer.comment") == [1_000, 2_000, 3_000, 4_000, 5_000]
    assert any("off the server's" in warning for warning in room.summary.warnings)


def test_a_start_at_beijing_time_is_the_same_instant_in_utc(run: Importer) -> None:
    assert run(blrec(blrec_d(1))).summary.start_ms == START_MS
    assert run(blrec(blrec_d(1), start=str(START_MS // 1_000))).summary.start_ms == START_MS


def blrec_d(offset_s: float, attrs: str = 'uid="9001" user="观众乙"') -> str:
    sent = START_MS + round(offset_s * 1_000)
    return f'<d p="{offset_s:.3f},1,25,16777215,{sent},0,a1b2c3d4,mid{offset_s}" {attrs}>多少钱</d>'


def test_an_older_blrec_file_without_uid_tells_viewers_apart_by_their_hash(run: Importer) -> None:
    other = blrec_d(2, "").replace("a1b2c3d4", "ffff0000")
    viewers = [c["viewer_id"] for c in run(blrec(blrec_d(1, ""), other)).of("viewer.comment")]
    assert viewers[0] != viewers[1]


def test_a_file_whose_recorder_crashed_is_accepted_with_a_warning(run: Importer) -> None:
    for end in ("", '<d p="9.000,1,25,167', "</"):
        room = run(bililive(d(1, 1_000), d(2, 2_000), end=end))
        assert room.offsets("viewer.comment") == [1_000, 2_000]
        assert any("no end" in warning for warning in room.summary.warnings)


def test_the_embedded_style_sheet_is_no_chat(run: Importer) -> None:
    assert [c["text"] for c in run(bililive(d(1, 1_000))).of("viewer.comment")] == ["多少钱"]


def test_prices_are_normalised_per_recorder(run: Importer) -> None:
    sc = '<sc ts="3.000" user="观众乙" uid="9001" price="{}" time="60">谢谢主播</sc>'
    ours = run(bililive(d(1, 1_000), sc.format(30))).of("viewer.gift")[0]
    theirs = run(blrec(blrec_d(1), sc.format(30_000))).of("viewer.gift")[0]
    for gift in (ours, theirs):
        assert (gift["value"], gift["currency"], gift["gift_id"]) == (3_000, "CNY", "super_chat")


def test_gold_seeds_are_money_and_silver_seeds_are_not(run: Importer) -> None:
    gift = '<gift ts="{}" user="观众乙" uid="9001" giftname="小花花" giftcount="3" cointype="{}" price="100"/>'
    gifts = run(blrec(gift.format("1.0", "金瓜子"), gift.format("2.0", "银瓜子"))).of("viewer.gift")
    assert [(g["value"], g["currency"]) for g in gifts] == [(30, "CNY"), (0, "CNY")]


def test_a_gift_of_an_old_bililive_recorder_takes_viewer_and_price_from_raw(run: Importer) -> None:
    raw = json.dumps({"uid": 9001, "coin_type": "gold", "total_coin": 5_000, "num": 5, "price": 1_000})
    escaped = raw.replace('"', "&quot;")
    element = f'<gift ts="2.000" user="观众乙" giftname="辣条" giftcount="5" raw="{escaped}" />'
    room = run(bililive(d(1, 1_000), element))
    gift = room.of("viewer.gift")[0]
    assert (gift["value"], gift["currency"]) == (500, "CNY")
    assert gift["viewer_id"] == room.of("viewer.comment")[0]["viewer_id"]


def test_a_gift_without_a_price_is_kept_without_one(run: Importer) -> None:
    gift = '<gift ts="2.000" user="观众乙" uid="1" giftname="辣条" giftcount="5" />'
    guard = '<guard ts="3.000" user="观众乙" uid="1" level="3" count="1" />'
    room = run(bililive(d(1, 1_000), gift, guard))
    assert [(g["value"], g["currency"]) for g in room.of("viewer.gift")] == [(0, "XXX")] * 2
    assert sum(room.summary.changed.values()) == 2


def test_guard_and_toast_of_one_purchase_count_once(run: Importer) -> None:
    guard = '<guard ts="5.0" uid="1" user="乙" giftname="舰长" count="1" price="198000" level="3"/>'
    toast = '<toast ts="{}" uid="{}" user="乙" unit="月" count="1" price="198000" role="3" level="3">开通</toast>'
    room = run(blrec(guard, toast.format("5.4", 1), toast.format("6.0", 2), toast.format("7.0", 1)))
    assert room.offsets("viewer.gift") == [5_000, 6_000, 7_000]
    assert {gift["value"] for gift in room.of("viewer.gift")} == {19_800}


def test_what_the_streamer_writes_is_a_reply_and_the_name_is_gone_from_the_title(run: Importer) -> None:
    room = run(bililive(d(1, 1_000), d(2, 2_000, "好的", user="主播甲")))
    assert room.offsets("host.reply") == [2_000]
    assert room.of("room.opened")[0]["title"] == "…的直播间"


VIDEO = (
    '<?xml version="1.0" encoding="UTF-8"?><i><chatserver>chat.bilibili.com</chatserver><chatid>1</chatid>'
    '<d p="63.27,1,25,16777215,1650000000,0,a1b2c3d4,10000001,10">前方高能</d></i>'
)


@pytest.mark.parametrize("chat_format", ["auto", "bililive-recorder", "blrec"])
def test_a_videos_comments_are_refused_whatever_the_user_says(run: Importer, chat_format: str) -> None:
    with pytest.raises(ImportRefusedError, match="uploaded Bilibili video"):
        run(VIDEO, chat_format=chat_format)


def test_seconds_in_place_of_milliseconds_are_unreadable(run: Importer) -> None:
    bad = d(1, 1_000).replace(str(START_MS + 1_000), "1780000001")
    with pytest.raises(ImportRefusedError, match="1 of 2 entries"):
        run(bililive(bad, d(2, 2_000)))


BOMB = '<!DOCTYPE i [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
FILE_ENTITY = '<!DOCTYPE i [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("doctype", [BOMB, FILE_ENTITY])
def test_entities_are_refused(run: Importer, doctype: str) -> None:
    with pytest.raises(ImportRefusedError, match="entities"):
        run(bililive(d(1, 1_000)).replace("<i>", doctype + "<i>", 1))


def test_deep_nesting_is_refused(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match="deeper than"):
        run(bililive("<x>" * 100_000))


def test_control_characters_that_viewers_send_do_not_end_the_file(run: Importer) -> None:
    room = run(bililive(d(1, 1_000, "价\x08格&#x8;多少"), d(2, 2_000)))
    assert [c["text"] for c in room.of("viewer.comment")] == ["价 格 多少", "多少钱"]
    assert room.summary.changed == {"line with control characters (now spaces)": 1}


def test_a_file_that_stops_being_xml_early_is_refused_with_the_line(run: Importer) -> None:
    broken = bililive(d(1, 1_000), "<d <<<", *(d(n, n * 1_000) for n in range(2, 200)))
    with pytest.raises(ImportRefusedError, match=r"line \d+ is no XML"):
        run(broken)


def test_viewers_whose_ids_the_platform_hides_are_told_apart_by_their_masked_names(run: Importer) -> None:
    room = run(bililive(d(1, 1_000, uid="0", user="甲***"), d(2, 2_000, uid="0", user="乙***")))
    viewers = [c["viewer_id"] for c in room.of("viewer.comment")]
    assert viewers[0] != viewers[1]
    assert room.summary.changed == {"viewer without an id (told apart by name)": 2}
