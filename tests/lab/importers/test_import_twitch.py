"""TwitchDownloader's JSON."""

import json
from pathlib import Path

import pytest

from tests.lab.importers.made_up import START_MS, Importer, tweet, twitch


def test_the_offset_counts_although_created_at_is_squeezed(run: Importer) -> None:
    # All comments carry one created_at: a highlight's is the time of the copy.
    room = run(twitch(*(tweet(n * 60) for n in range(1, 46))))
    assert room.offsets("viewer.comment") == [n * 60_000 for n in range(1, 46)]


def test_comments_of_one_second_keep_the_files_order_and_the_resolution_is_said(run: Importer) -> None:
    room = run(twitch(*(tweet(7, f"{n}", uid=str(n)) for n in range(12))))
    assert [c["text"] for c in room.of("viewer.comment")] == [str(n) for n in range(12)]
    assert any("1 s" in warning for warning in room.summary.warnings)


def test_a_cuts_offsets_count_from_the_vods_start(run: Importer) -> None:
    video = {"created_at": "2026-05-28T20:26:40Z", "start": 100, "end": 160}
    room = run(twitch(tweet(90), tweet(130), video=video))
    assert room.offsets("viewer.comment") == [30_000]
    assert room.summary.start_ms == START_MS + 100_000
    assert room.summary.end_ms - room.summary.start_ms == 60_000


def test_bits_and_subscriptions_are_gifts(run: Importer) -> None:
    bits = tweet(1, "Cheer100 great", bits_spent=100)
    old, new = (
        tweet(2, "", user_notice_params={"msg-id": "sub"}),
        tweet(3, "", user_notice_params={"msg_id": "subgift"}),
    )
    room = run(twitch(bits, old, new, tweet(4, "raiders", user_notice_params={"msg_id": "raid"})))
    gifts = [(g["gift_id"], g["value"], g["currency"]) for g in room.of("viewer.gift")]
    assert gifts == [("bits", 100, "USD"), ("subscription", 0, "XXX"), ("subscription", 0, "XXX")]
    assert [c["text"] for c in room.of("viewer.comment")] == ["Cheer100 great"]


def test_the_streamer_writing_is_a_reply(run: Importer) -> None:
    room = run(twitch(tweet(1), tweet(2, "yes", uid="77")))
    assert room.offsets("host.reply") == [2_000]


def test_a_file_of_2021_without_version_streamer_and_video_is_read(run: Importer) -> None:
    room = run(json.dumps({"comments": [tweet(1), tweet(2)], "video": {"start": 0, "end": 10}}))
    assert len(room.of("viewer.comment")) == 2


def test_a_deleted_account_is_a_viewer_of_its_own(run: Importer) -> None:
    gone = [tweet(n, str(n)) | {"commenter": None} for n in (1, 2)]
    viewers = {c["viewer_id"] for c in run(twitch(*gone)).of("viewer.comment")}
    assert len(viewers) == 2


MEASURE = """
import json, sys
from pathlib import Path
from worker.lab.importers.limits import Limits
from worker.lab.importers.recording import Ledger
from worker.lab.importers.twitch import read_twitch

def anonymous_kib():
    line = next(l for l in open("/proc/self/status") if l.startswith("RssAnon"))
    return int(line.split()[1])

before = anonymous_kib()
chat = read_twitch(Path(sys.argv[1]), Ledger(Limits()), lambda _: None)
print(json.dumps([len(chat.items), anonymous_kib() - before]))
"""


def test_embedded_images_cost_no_memory(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "chat.json"
    head = twitch(*(tweet(n, str(n)) for n in range(100)))[:-1]
    with path.open("w") as file:
        file.write(head + ', "embeddedData": {"firstParty": [{"data": "')
        for _ in range(64):
            file.write("A" * (1 << 20))
        file.write('"}]}}')
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    items, grown_kib = json.loads(done.stdout)
    assert items == 100
    assert grown_kib < 16 * 1_024  # of 64 MiB


def test_a_file_cut_short_is_read_as_far_as_it_goes(run: Importer) -> None:
    whole = twitch(*(tweet(n, str(n)) for n in range(1, 40)))
    for cut in (2, 40, 200, 3_000):
        room = run(whole[:-cut])
        said = [c["text"] for c in room.of("viewer.comment")]
        assert said == [str(n) for n in range(1, len(said) + 1)] and len(said) >= 38 - cut // 150
        assert room.summary.unreadable == 0
        assert any("no whole JSON" in warning for warning in room.summary.warnings)
        assert room.summary.start_ms == START_MS


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff", b"\x00", b'"', b"{", b"}", b"[", b"]", b"\\ud83d", b"\\x", b"NaN", b",", b'": NaN, "', b"\n",
        b"\xed\xa0\x80",
    ],
)  # fmt: skip
def test_damage_in_one_comment_costs_at_most_that_comment(run: Importer, damage: bytes) -> None:
    whole = twitch(*(tweet(n, f"text {n}") for n in range(1, 60))).encode()
    for mark in (b"text 30", b'"commenter": {"_id": "501"'):
        at = whole.index(mark, whole.index(b"30-501")) + 4
        room = run(whole[:at] + damage + whole[at:])
        assert len(room.of("viewer.comment")) >= 58
        assert room.summary.unreadable <= 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_chat_is_the_same_in_every_encoding(run: Importer, encoding: str) -> None:
    room = run(twitch(*(tweet(n, f"多少钱 {n}") for n in range(1, 60))).encode(encoding))
    assert len(room.of("viewer.comment")) == 59
    assert room.summary.start_ms == START_MS and not room.summary.changed


def test_bad_comments_name_their_number(run: Importer) -> None:
    bad = {"_id": "x", "content_offset_seconds": "soon", "message": {}}
    room = run(twitch(*(tweet(n, str(n)) for n in range(30)), bad))
    assert room.summary.unreadable_first[0]["line"] == 31
