"""yt-dlp's live chat."""

import pytest

from tests.lab.importers.made_up import START_MS, Importer, youtube, youtube_action
from worker.lab.importers import ImportRefusedError
from worker.lab.importers.youtube import WRONG_PLACE


def test_a_replay_keeps_its_offsets_and_finds_its_start_from_absolute_times(run: Importer) -> None:
    room = run(youtube(1_000) + youtube(61_500))
    assert room.summary.start_ms == START_MS
    assert room.offsets("viewer.comment") == [1_000, 61_500]
    assert room.of("room.opened")[0]["platform"] == "youtube"


def test_offsets_hold_although_absolute_times_drift_by_a_second(run: Importer) -> None:
    lines = [
        youtube(n * 60_000 + 1, timestampUsec=str((START_MS + n * 60_000 + (n * 37) % 1_700) * 1_000))
        for n in range(1, 50)
    ]
    room = run("".join(lines))
    assert abs(room.summary.start_ms - START_MS) <= 1_700
    assert room.offsets("viewer.comment") == [n * 60_000 + 1 for n in range(1, 50)]


def test_a_scrubbed_file_with_zero_times_uses_offsets_and_says_that_the_date_is_unknown(run: Importer) -> None:
    room = run(youtube(5_000, timestampUsec=0) + youtube(9_000, timestampUsec=0))
    assert room.offsets("viewer.comment") == [5_000, 9_000]
    assert any("--started-at" in warning for warning in room.summary.warnings)


def test_a_live_capture_has_its_offset_at_top_level_and_the_backlog_before_zero_is_left_out(
    run: Importer,
) -> None:
    room = run(youtube(-4_000, live=True) + youtube(2_000, live=True))
    assert room.offsets("viewer.comment") == [2_000]
    assert room.summary.dropped == {"sent before the recording began": 1}


def test_the_waiting_room_of_a_replay_has_offset_zero_and_is_left_out(run: Importer) -> None:
    early = youtube(0, timestampUsec=str((START_MS - 600_000) * 1_000))
    room = run(early + youtube(2_000) + youtube(3_000))
    assert room.offsets("viewer.comment") == [2_000, 3_000]


@pytest.mark.parametrize(
    ("printed", "value", "currency"),
    [
        ("￥6,000", 6_000, "JPY"), ("€2", 200, "EUR"), ("$9.99", 999, "USD"), ("CA$13.99", 1_399, "CAD"),
        ("1.234,56\xa0€", 123_456, "EUR"), ("NT$75.00", 7_500, "TWD"), ("₩10,000", 10_000, "KRW"),
        ("SGD 5.00", 500, "SGD"), ("₹1,00,000.00", 10_000_000, "INR"), ("$1,234", 123_400, "USD"),
        ("a lot", 0, "XXX"), ("kr 50", 0, "XXX"), ("", 0, "XXX"),
    ],
)  # fmt: skip
def test_localised_amounts_become_minor_units(run: Importer, printed: str, value: int, currency: str) -> None:
    room = run(youtube(1_000, "PaidMessage", purchaseAmountText={"simpleText": printed}))
    gift = room.of("viewer.gift")[0]
    assert (gift["value"], gift["currency"]) == (value, currency)
    assert room.of("viewer.comment")[0]["text"] == "how much is it?"


def test_a_ticker_repeats_a_paid_message_and_is_not_a_second_gift(run: Importer) -> None:
    paid = youtube(1_000, "PaidMessage", purchaseAmountText={"simpleText": "$5"})
    ticker = youtube_action(1_000, {"addLiveChatTickerItemAction": {"item": {"anything": {}}}})
    room = run(paid + ticker)
    assert len(room.of("viewer.gift")) == 1
    assert room.summary.dropped == {"ticker (repeats a paid message)": 1}


def test_memberships_are_gifts_and_milestones_are_comments(run: Importer) -> None:
    new = youtube(1_000, "MembershipItem", message=None, headerSubtext={"runs": [{"text": "Welcome!"}]})
    milestone = youtube(2_000, "MembershipItem", headerPrimaryText={"runs": [{"text": "Member for 2 months"}]})
    bought = youtube(3_000, "SponsorshipsGiftPurchaseAnnouncement", message=None)
    received = youtube(4_000, "SponsorshipsGiftRedemptionAnnouncement")
    room = run(new + milestone + bought + received)
    assert [gift["gift_id"] for gift in room.of("viewer.gift")] == ["membership", "membership_gift"]
    assert room.offsets("viewer.comment") == [2_000]
    assert room.summary.dropped == {"membership received (the purchase counts)": 1}


@pytest.mark.parametrize("action", ["markChatItemAsDeletedAction", "removeChatItemAction"])
def test_a_deleted_message_is_retracted(run: Importer, action: str) -> None:
    gone = youtube_action(3_000, {action: {"targetItemId": "m1000"}})
    room = run(youtube(1_000) + youtube(2_000) + gone)
    assert room.offsets("viewer.comment") == [2_000]
    assert room.summary.dropped == {"retracted by a moderator": 1}


def test_a_banned_author_loses_earlier_messages_only(run: Importer) -> None:
    ban = {"markChatItemsByAuthorAsDeletedAction": {"externalChannelId": "UC-made-up-viewer"}}
    other = youtube(1_500, authorExternalChannelId="UC-other")
    room = run(youtube(1_000) + other + youtube_action(2_000, ban) + youtube(3_000))
    assert room.offsets("viewer.comment") == [1_500, 3_000]


def test_what_the_owner_writes_is_a_reply_of_the_host(run: Importer) -> None:
    badge = [{"liveChatAuthorBadgeRenderer": {"icon": {"iconType": "OWNER"}}}]
    room = run(youtube(1_000) + youtube(2_000, authorBadges=badge, authorExternalChannelId="UC-host"))
    assert [reply["medium"] for reply in room.of("host.reply")] == ["text"]
    assert len(room.of("viewer.comment")) == 1


def test_emoji_are_text(run: Importer) -> None:
    runs = [
        {"text": "nice "}, {"emoji": {"emojiId": "👍"}},
        {"emoji": {"emojiId": "UC-made-up/AbCdEf", "shortcuts": [":wave:"]}},
    ]  # fmt: skip
    assert run(youtube(1_000, message={"runs": runs})).of("viewer.comment")[0]["text"] == "nice 👍:wave:"


def test_the_same_message_twice_counts_once(run: Importer) -> None:
    assert len(run(youtube(1_000) + youtube(1_000)).of("viewer.comment")) == 1


def test_a_replay_may_hold_lines_without_a_message(run: Importer) -> None:
    room = run(youtube(1_000) + '{"clickTrackingParams": "x", "liveChatTickerSomething": {}}\n')
    assert room.summary.dropped == {"line without a chat message": 1}


def test_an_unsorted_file_gives_a_sorted_log(run: Importer) -> None:
    room = run(youtube(90_000) + youtube(10_000) + youtube(50_000))
    assert room.offsets("viewer.comment") == [10_000, 50_000, 90_000]


def test_a_few_bad_lines_are_counted_with_their_numbers(run: Importer) -> None:
    good = [youtube(n * 1_000) for n in range(1, 40)]
    room = run("".join([*good[:10], "{not json\n", *good[10:]]))
    assert room.summary.unreadable == 1
    assert room.summary.unreadable_first[0]["line"] == 11
    assert len(room.of("viewer.comment")) == 39


def test_more_than_five_percent_bad_lines_refuse_the_file(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match=r"2 of 12 entries are unreadable.*--max-bad-percent"):
        run("".join(youtube(n * 1_000) for n in range(1, 11)) + "{bad\n{bad\n")


def test_a_last_line_cut_short_is_accepted_with_a_warning(run: Importer) -> None:
    room = run(youtube(1_000) + youtube(2_000)[:80])
    assert len(room.of("viewer.comment")) == 1
    assert any("cut short" in warning for warning in room.summary.warnings)


def test_a_time_far_beyond_the_recording_is_unreadable_and_makes_no_million_heartbeats(run: Importer) -> None:
    room = run("".join(youtube(n * 1_000) for n in range(1, 40)) + youtube(10**12, timestampUsec=0))
    assert "--max-hours" in room.summary.unreadable_first[0]["why"]
    assert len(room.of("room.heartbeat")) == 1


def many(count: int = 60) -> list[str]:
    return [youtube(n * 1_000) for n in range(1, count)]


@pytest.mark.parametrize(
    ("written", "read"),
    [(b"\\ud83d", "\ufffd"), (b"\\ude00", "\ufffd"),
     (b"\\ud83d\\ude00", "😀"), (b"\xff", "\ufffd"), (b"\x08", ""), (b"\\x", "\\x"),
     (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd")],
)  # fmt: skip
def test_a_broken_character_costs_itself_only(run: Importer, written: bytes, read: str) -> None:
    lines = [line.encode() for line in many()]
    lines[30] = lines[30].replace(b"how much is it?", b"how" + written)
    room = run(b"".join(lines))
    assert [c["text"] for c in room.of("viewer.comment")][30] == "how" + read
    assert sum(room.summary.changed.values()) == (read != "😀")
    assert room.summary.unreadable == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32-le", "gb18030"])
def test_a_chat_is_the_same_in_every_encoding(run: Importer, encoding: str) -> None:
    lines = [youtube(n * 1_000, message={"runs": [{"text": f"这件多少钱 {n}"}]}) for n in range(1, 60)]
    room = run("".join(lines).encode(encoding))
    assert [c["text"] for c in room.of("viewer.comment")] == [f"这件多少钱 {n}" for n in range(1, 60)]
    assert not room.summary.changed


def test_one_wrong_place_or_sending_time_does_not_make_hours(run: Importer) -> None:
    lines = many()
    lines[20] = lines[20].replace('"videoOffsetTimeMsec": "21000"', '"videoOffsetTimeMsec": "28821000"')
    lines[40] = lines[40].replace(str((START_MS + 41_000) * 1_000), str((START_MS + 28_841_000) * 1_000))
    room = run("".join(lines))
    assert room.offsets("viewer.comment") == [n * 1_000 for n in range(1, 60)]
    assert room.summary.changed == {WRONG_PLACE: 1}


def again(sent_ms: int, offset_ms: int, name: str) -> str:
    """A message of a live capture that counts from its own start."""
    return youtube(offset_ms, live=True, id=name, timestampUsec=str((START_MS + sent_ms) * 1_000))


def restarted(after_ms: int = 2_400_000, count: int = 30) -> str:
    first = [again(n * 20_000, n * 20_000, f"a{n}") for n in range(1, 31)]
    second = [again(after_ms + n * 20_000, n * 20_000, f"b{n}") for n in range(count)]
    return "".join(first + second)


def test_a_capture_that_was_started_again_goes_on_where_the_clock_was(run: Importer) -> None:
    room = run(restarted())
    assert room.offsets("viewer.comment") == [n * 20_000 for n in range(1, 31)] + [
        2_400_000 + n * 20_000 for n in range(30)
    ]
    assert any("started again 1 times" in warning for warning in room.summary.warnings)


def test_what_lies_between_two_captures_was_not_recorded(run: Importer) -> None:
    beats = run(restarted()).offsets("room.heartbeat")
    assert not [beat for beat in beats if 600_000 < beat < 2_400_000]
    assert [beat for beat in beats if beat > 2_400_000]


def test_a_capture_started_again_at_once_has_no_gap_and_its_overlap_counts_once(run: Importer) -> None:
    overlap = "".join(again(n * 20_000, n * 20_000 - 500_000, f"a{n}") for n in range(26, 40))
    room = run(restarted(count=0) + overlap)
    assert room.offsets("viewer.comment") == [n * 20_000 for n in range(1, 40)]


def test_a_video_that_was_cut_keeps_its_own_clock(run: Importer) -> None:
    lines = [again(n * 20_000 + (3_600_000 if n > 20 else 0), n * 20_000, f"c{n}") for n in range(1, 41)]
    assert run("".join(lines)).offsets("viewer.comment") == [n * 20_000 for n in range(1, 41)]
