"""Danmaku XML of recorders other than Bilibili's own two, as each of them writes it."""

import pytest

from tests.lab.importers.made_up import START_MS, Importer
from worker.lab.importers.danmaku import NO_TIME, OTHER_UNIT

S = START_MS // 1_000
TOOLS_ABOUT = (
    "<metadata>\n  <platform>DouYin</platform>\n  <video_start_time>{start}</video_start_time>\n"
    "  <live_start_time>1779999000000</live_start_time>\n  <room_title>甲店夏装上新</room_title>\n"
    "  <user_name>甲店</user_name>\n  <room_id>77</room_id>\n</metadata>\n"
)


def tools_d(at_ms: int, text: str = "还有M码吗", uid: str = "900001", user: str = "客一", start: int = START_MS) -> str:
    """A comment by biliLive-tools: nine fields, the id twice."""
    place = max(0, at_ms) / 1_000
    sent = start + at_ms
    p = f"{place:g},1,25,16777215,{sent},0,{uid},{uid},0"
    return f'<d p="{p}" user="{user}" uid="{uid}" timestamp="{sent}">{text}</d>\n'


def tools(*entries: str, head: bool = True, foot: bool = False, start: int | str = START_MS, end: str = "</i>") -> str:
    about = TOOLS_ABOUT.format(start=start)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<i>\n' + (about if head else "") + "".join(entries)
        + (about if foot else "") + end
    )  # fmt: skip


@pytest.mark.parametrize(
    ("head", "foot", "end"),
    [(True, False, "</i>"), (False, True, "\n</i>"), (False, False, ""), (True, False, "<d p=")],
)
def test_bililive_tools_is_known_with_its_metadata_before_after_or_lost(
    run: Importer, head: bool, foot: bool, end: str
) -> None:
    room = run(tools(*(tools_d(n * 1_000) for n in range(1, 25)), head=head, foot=foot, end=end))
    assert room.summary.formats == {"chat": "bililive-tools"}
    assert room.summary.start_ms == START_MS
    assert room.offsets("viewer.comment") == [n * 1_000 for n in range(1, 25)]
    if head or foot:
        opened = room.of("room.opened")[0]
        assert (opened["platform"], opened["title"]) == ("douyin", "…夏装上新")


def test_bililive_tools_writes_batches_by_kind_and_prices_a_thousandth_each(run: Importer) -> None:
    gift = '<gift ts="{}" giftname="小心心" giftcount="3" price="100" user="客一" uid="900001" timestamp="{}"></gift>'
    guard = (
        '<guard ts="9" price="198000" giftname="舰长" giftcount="1" level="3" user="客" uid="3" timestamp="{}"></guard>'
    )
    sc = '<sc ts="8" price="30000" user="客二" uid="2" timestamp="{}">链接发一下</sc>'
    room = run(tools(
        tools_d(5_000), tools_d(12_000), gift.format(6.2, START_MS + 6_200), sc.format(START_MS + 8_000),
        guard.format(START_MS + 9_000),
    ))  # fmt: skip
    assert room.offsets("viewer.gift") == [6_200, 8_000, 9_000]
    assert [g["value"] for g in room.of("viewer.gift")] == [30, 3_000, 19_800]
    assert {g["currency"] for g in room.of("viewer.gift")} == {"CNY"}
    assert room.offsets("viewer.comment") == [5_000, 8_000, 12_000]


def test_a_time_divided_by_a_million_is_a_time_again(run: Importer) -> None:
    odd = f'<d p="0,1,25,1,{(S + 9) / 1_000_000:f},0,9,9,0" user="客" uid="9" timestamp="1">除错了</d>\n'
    room = run(tools(tools_d(1_000), tools_d(5_000), odd, tools_d(20_000)))
    assert room.offsets("viewer.comment") == [1_000, 5_000, 9_000, 20_000]
    assert room.summary.changed == {OTHER_UNIT: 1}


def test_a_message_without_any_time_stands_beside_the_one_before(run: Importer) -> None:
    none = '<d p="NaN,1,25,16777215,NaN,0,undefined,undefined,0" user="undefined" uid="undefined">没有时间</d>\n'
    room = run(tools(tools_d(1_000), tools_d(5_000), none, tools_d(20_000)))
    assert room.offsets("viewer.comment") == [1_000, 5_000, 5_000, 20_000]
    assert room.summary.changed[NO_TIME] == 1
    assert room.summary.unreadable == 0


def test_what_the_host_writes_is_a_reply_although_the_name_comes_last(run: Importer) -> None:
    room = run(tools(tools_d(1_000), tools_d(2_000, "有的", user="甲店"), head=False, foot=True))
    assert room.offsets("host.reply") == [2_000]


def biliup_d(at_s: float, text: str = "多少钱", uid: int = 0, detail: str = "", sent: int | None = None) -> str:
    p = f"{at_s:.3f},1,25,16777215,{S + int(at_s) if sent is None else sent},0,{uid},0"
    return f'\t<d p="{p}"{detail}>{text}</d>\n'


def biliup(*entries: str, end: str = "</i>\n") -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n<i>\n' + "".join(entries) + end


@pytest.mark.parametrize("end", ["</i>\n", ""])
def test_biliup_without_detail_knows_no_one(run: Importer, end: str) -> None:
    room = run(biliup(*(biliup_d(n + 0.25) for n in range(1, 20)), end=end))
    assert room.summary.formats == {"chat": "biliup"}
    assert room.offsets("viewer.comment") == [n * 1_000 + 250 for n in range(1, 20)]
    assert len({c["viewer_id"] for c in room.of("viewer.comment")}) == 19
    assert len({c["comment_id"] for c in room.of("viewer.comment")}) == 19


def test_an_old_biliup_file_without_times_keeps_its_places(run: Importer) -> None:
    room = run(biliup(*(biliup_d(n, sent=0) for n in range(1, 20))))
    assert room.offsets("viewer.comment") == [n * 1_000 for n in range(1, 20)]
    assert any("--started-at" in warning for warning in room.summary.warnings)


def test_biliup_with_detail_has_gifts_that_know_only_when_they_were_sent(run: Importer) -> None:
    detail = f' timestamp="{S + 5}" uid="900001" user="客一"'
    s = '\t<s timestamp="{}" uid="2" username="客" price="{}" type="{}" num="{}" giftname="{}">{}</s>\n'
    room = run(biliup(
        biliup_d(5, uid=900001, detail=detail),
        s.format(S + 7, 1_000, "gift", 2, "辣条", "客投喂了2个辣条"),
        s.format(S + 9, 30_000, "super_chat", 1, "醒目留言", "链接发一下"),
        s.format(S + 11, 198_000, "guard_buy", 1, "舰长", "客上了1个月舰长"),
        s.format(S + 12, 0, "gift", 1, "赞", "送出"),
        f'\t<o timestamp="{S + 12}">{{"cmd":"X"}}</o>\n',
    ))  # fmt: skip
    assert room.offsets("viewer.gift") == [7_000, 9_000, 11_000, 12_000]
    assert [(g["value"], g["currency"]) for g in room.of("viewer.gift")] == [
        (200, "CNY"), (3_000, "CNY"), (19_800, "CNY"), (0, "XXX"),
    ]  # fmt: skip
    assert [c["text"] for c in room.of("viewer.comment")] == ["多少钱", "链接发一下"]


STREAM_REC = '<?xml version="1.0" encoding="UTF-8"?>\n<?xml-stylesheet type="text/xsl" href="#s"?>\n<i>\n'


@pytest.mark.parametrize("end", ["</i>", "", '\t<d p="9'])
def test_stream_rec_is_read_to_its_last_whole_line(run: Importer, end: str) -> None:
    lines = "".join(
        f'\t<d p="{n}.0,1,25,16777215,{START_MS + n * 1_000},0,90{n % 3},0" user="客{n % 3}">&lt;3 {n}</d>\n'
        for n in range(1, 30)
    )
    room = run(STREAM_REC + lines + end)
    assert room.summary.formats == {"chat": "stream-rec"}
    assert room.offsets("viewer.comment") == [n * 1_000 for n in range(1, 30)]
    assert len({c["viewer_id"] for c in room.of("viewer.comment")}) == 3


def test_rust_srec_says_platform_and_room_and_tells_people_apart_by_name(run: Importer) -> None:
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- Rust-Srec version: 0.3.0 -->\n<!-- Platform: douyin -->\n'
        "<!-- Room ID: 77 -->\n<!-- Session ID: s-1 -->\n<!-- Segment ID: 0 -->\n"
        "<!-- Start Time: 2026-05-28 20:26:40 UTC -->\n<i>\n"
    )
    gift = '  <gift ts="6.200" giftname="辣条" giftcount="2" price="100" user="客一" uid="2" timestamp="{}"></gift>\n'
    sc = '  <sc ts="9.000" user="客三" uid="3" price="30" time="60" timestamp="{}">链接发一下</sc>\n'
    room = run(
        head + f'  <d p="5.000,1,25,16777215,{START_MS + 5_000},0,3405691582,1" user="客一">还有M码吗</d>\n'
        + gift.format(START_MS + 6_200) + sc.format(START_MS + 9_000) + "</i>"
    )  # fmt: skip
    assert room.of("room.opened")[0]["platform"] == "douyin"
    assert [g["value"] for g in room.of("viewer.gift")] == [20, 3_000]
    assert room.of("viewer.gift")[0]["viewer_id"] == room.of("viewer.comment")[0]["viewer_id"]


def test_danmu_recorder_escapes_nothing_and_gives_everyone_one_id(run: Importer) -> None:
    d = '  <d p="{n}.12,1,25,16777215,{sent},0,1602022773,0" user="{user}">{text}</d>\n'
    said = [("客一", "还有M码吗"), ('A&B"家', "买一送一 & 包邮 <3"), ("客三", "好的"), ("客一", "多少钱")]
    room = run(
        '<?xml version="1.0" encoding="utf-8"?>\n<?xml-stylesheet type="text/xsl" href="#s"?>\n<i>\n'
        + "".join(
            d.format(n=n, sent=START_MS + n * 1_000 + 120, user=user, text=text)
            for n, (user, text) in enumerate(said, 1)
        )
    )
    assert room.summary.formats == {"chat": "douyin-live-recorder"}
    assert [c["text"] for c in room.of("viewer.comment")] == [text for _, text in said]
    assert len({c["viewer_id"] for c in room.of("viewer.comment")}) == 3
    assert room.of("room.opened")[0]["platform"] == "douyin"


def test_a_recorders_clock_that_stood_still_gives_way_to_sending_times(run: Importer) -> None:
    # The stream broke off for five minutes: the stopwatch stood, and messages went on.
    places = [min(n, 40) if n < 340 else n - 300 for n in range(1, 600, 3)]
    lines = [biliup_d(place, sent=S + n) for place, n in zip(places, range(1, 600, 3), strict=True)]
    room = run(biliup(*lines))
    assert room.offsets("viewer.comment") == [n * 1_000 for n in range(1, 600, 3)]
    assert any("stood still or jumped" in warning for warning in room.summary.warnings)


def test_a_recorder_that_was_suspended_for_most_of_the_file_loses_nothing(run: Importer) -> None:
    lines = [tools_d(n * 1_000) for n in range(1, 20)] + [
        tools_d(3_600_000 + n * 1_000).replace(f'p="{3_600 + n}', f'p="{20 + n}') for n in range(1, 60)
    ]
    assert len(run(tools(*lines)).of("viewer.comment")) == 78
