"""Danmaku XML by BililiveRecorder and blrec."""

import json

import pytest

from tests.lab.importers.made_up import START_MS, Importer, bililive, blrec
from worker.lab.importers import ImportRefusedError
from worker.lab.importers.danmaku import IN_SECONDS, WRONG_TIME


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


LIVE = '<d p="{n}.1,1,25,16777215,{sent},0,{uid},0" uid="{n}" user="观众乙">多少钱</d>'


def live(head: str, before: str, *, ms: bool, uid: str = "900001") -> str:
    unit = 1 if ms else 1_000
    return head + "".join(before + LIVE.format(n=n, sent=(START_MS + n * 1_000) // unit, uid=uid) for n in range(9))


@pytest.mark.parametrize(
    ("chat", "writer"),
    [
        (live("<i><metadata><video_start_time>1</video_start_time></metadata>", "\n", ms=True), "bililive-tools"),
        (live("<i>", "\n\t", ms=False), "biliup"),
        (live("<?xml-stylesheet ?><i>", "\n\t", ms=True), "stream-rec"),
        (live("<!-- Rust-Srec version: 0.3.0 --><i>", "\n  ", ms=True), "rust-srec"),
        (live("<i>", "\n  ", ms=True).replace("900001,0", "0,1602022773,0"), "douyin-live-recorder"),
        (live("<i>", "\n", ms=False), "danmaku"),
    ],
)
def test_a_live_recording_is_named_by_what_it_shows(run: Importer, chat: str, writer: str) -> None:
    room = run(chat)
    assert room.summary.formats == {"chat": writer}
    assert len(room.of("viewer.comment")) == 9


@pytest.mark.parametrize(
    "chat",
    [
        "<i><chatserver>chat.example</chatserver><chatid>0</chatid></i>",
        bililive()[: bililive().index("title=") + 8],
    ],
)
def test_a_recording_without_a_message_is_not_called_a_video(run: Importer, chat: str) -> None:
    with pytest.raises(ImportRefusedError, match=r"without a message|it was cut before its first message") as refused:
        run(chat)
    assert "video" not in str(refused.value)


def test_the_format_that_the_user_names_is_tried(run: Importer) -> None:
    room = run(live("<i>", "\n", ms=True), chat_format="bililive-recorder")
    assert len(room.of("viewer.comment")) == 9


@pytest.mark.parametrize("chat_format", ["auto", "bililive-recorder", "blrec"])
def test_a_videos_comments_are_refused_whatever_the_user_says(run: Importer, chat_format: str) -> None:
    with pytest.raises(ImportRefusedError, match="uploaded Bilibili video"):
        run(VIDEO, chat_format=chat_format)


def test_a_server_time_in_seconds_is_taken_for_one(run: Importer) -> None:
    bad = d(1, 1_000).replace(str(START_MS + 1_000), "1780000001")
    room = run(bililive(bad, d(2, 2_000)))
    assert room.offsets("viewer.comment") == [1_000, 2_000]
    assert room.summary.changed == {IN_SECONDS: 1}


@pytest.mark.parametrize("sent", ["0", "-1", "NaN", "", str(START_MS + 8 * 3_600_000), "9" * 18, "9" * 400])
def test_one_wrong_server_time_does_not_make_hours(run: Importer, sent: str) -> None:
    comments = [d(n, n * 1_000) for n in range(1, 40)]
    comments[20] = comments[20].replace(str(START_MS + 21_000), sent)
    room = run(bililive(*comments))
    assert room.offsets("viewer.comment") == [n * 1_000 for n in range(1, 40)]
    assert room.summary.changed == {WRONG_TIME: 1}


def test_a_recorder_that_was_suspended_does_not_make_the_server_wrong(run: Importer) -> None:
    before = [d(n, n * 1_000) for n in range(1, 20)]
    after = [d(20 + n, 3_600_000 + n * 1_000) for n in range(1, 20)]
    room = run(bililive(*before, *after))
    assert room.offsets("viewer.comment")[-1] == 3_600_000 + 19_000
    assert WRONG_TIME not in room.summary.changed


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


MANY = [d(n, n * 1_000) for n in range(1, 60)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("好\ufffe", "好\ufffd"),
        ("好&#xFFFF;", "好\ufffd"),
        ("好&#65535;", "好\ufffd"),
        ("好&#xD83D;", "好\ufffd"),
        ("好&#xD83D;&#xDE00;", "好😀"),
        ("好&#x110000;", "好\ufffd"),
        ("A&B", "A&B"),
        ("A & B &", "A & B &"),
        ("好&nbsp;的", "好\xa0的"),
        ("&LT;&AMP;", "<&"),
        ("好&什么;", "好&什么;"),
        ("买一送一 <3", "买一送一 <3"),
        ('A "B" <b> -> C', 'A "B" <b> -> C'),
    ],
)
def test_a_character_that_xml_forbids_costs_itself_only(run: Importer, written: str, read: str) -> None:
    room = run(bililive(*MANY[:30], d(30.5, 30_500, written), *MANY[30:]))
    assert [c["text"] for c in room.of("viewer.comment")][30] == read
    assert len(room.of("viewer.comment")) == 60
    assert sum(room.summary.changed.values()) == 1
    assert room.summary.unreadable == 0


def test_a_name_that_was_not_escaped_costs_nothing(run: Importer) -> None:
    room = run(bililive(*MANY, d(60.5, 60_500, "好", user='A&B"家')))
    assert len(room.of("viewer.comment")) == 60


@pytest.mark.parametrize(
    "broken",
    [
        "<d <<<", "<d p=", '<d p="30.5,1,25', d(30.5, 30_500)[:-4], d(30.5, 30_500)[:-1], "</d>", "<!--", "<![CDATA[",
        "<?x", d(30.5, 30_500).replace('"', ""), "</i>", "<BililiveRecorderXmlStyle>", "]]>", "<d", "<",
        '</i>\n<?xml version="1.0"?>\n<i>',
    ],
)  # fmt: skip
@pytest.mark.parametrize("join", ["\n", ""])
def test_broken_markup_costs_at_most_its_neighbours(run: Importer, broken: str, join: str) -> None:
    room = run(bililive(join.join([*MANY[:30], broken, *MANY[30:]])))
    assert len(room.of("viewer.comment")) >= 58
    assert room.summary.unreadable <= 2


def test_a_broken_place_is_named_by_line_column_and_character(run: Importer) -> None:
    room = run(bililive(*MANY[:30], "<d <<<", *MANY[30:]))
    assert room.summary.unreadable_first == [
        {"line": 38, "why": "is no XML at column 4, character U+003C LESS-THAN SIGN"}
    ]


def test_a_file_of_which_too_much_is_broken_is_refused_with_the_first_place(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match=r"8 of 67 .*line 38: is no XML at column 4, .*--max-bad-percent"):
        run(bililive(*MANY[:30], *["<d <<<"] * 8, *MANY[30:]))


def test_gbk_is_read_as_declared_and_undeclared(run: Importer) -> None:
    text = bililive(*MANY)
    for encoded in (text.replace("utf-8", "gbk").encode("gbk"), text.encode("gb18030"), text.encode("utf-16")):
        assert [c["text"] for c in run(encoded).of("viewer.comment")] == ["多少钱"] * 59


def test_viewers_whose_ids_the_platform_hides_are_told_apart_by_their_masked_names(run: Importer) -> None:
    room = run(bililive(d(1, 1_000, uid="0", user="甲***"), d(2, 2_000, uid="0", user="乙***")))
    viewers = [c["viewer_id"] for c in room.of("viewer.comment")]
    assert viewers[0] != viewers[1]
    assert room.summary.changed == {"viewer without an id (told apart by name)": 2}
