"""What is refused before it is parsed, and what the message says."""

from pathlib import Path

import pytest

from tests.lab.importers.made_up import Importer, bililive, srt_cue, tweet, twitch, whisper, youtube
from worker.lab.importers import ImportRefusedError, Limits


@pytest.mark.parametrize(
    ("chat", "found"),
    [
        ("user_id,nickname,comment\n1,a,b\n", "a table without a column of times"),
        ('{"some": "thing"}', "JSON of an unknown kind"),
        ("<rss></rss>", "XML of an unknown kind"),
        ("12:00 somebody: hello", "text of an unknown kind"),
        (b"\x89PNG\0\0\0", "a binary file"),
    ],
)
def test_an_unknown_chat_format_says_what_was_found_and_what_is_accepted(
    run: Importer, chat: str | bytes, found: str
) -> None:
    with pytest.raises(ImportRefusedError) as refused:
        run(chat)
    assert found in str(refused.value)
    assert "stream-audit import --formats" in str(refused.value)


def test_subtitles_given_as_chat_are_sent_to_the_right_option(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match="belongs to --speech"):
        run(srt_cue(1, "00:00:01,000", "00:00:02,000", "hi"))
    with pytest.raises(ImportRefusedError, match="belongs to --chat"):
        run(speech=twitch(tweet(1)))


def test_sizes_are_bounded_and_the_message_names_limit_and_option(run: Importer) -> None:
    small = Limits(chat_bytes=10, speech_bytes=10)
    with pytest.raises(ImportRefusedError, match=r"limit of .* MiB; raise it with --max-chat-mb"):
        run(youtube(1_000), limits=small)
    with pytest.raises(ImportRefusedError, match="--max-speech-mb"):
        run(speech=whisper({"start": 0.0, "end": 1.0, "text": "a"}), limits=small)


@pytest.mark.parametrize("chat", [youtube(1) + youtube(2), twitch(tweet(1), tweet(2))])
def test_the_number_of_messages_is_bounded(run: Importer, chat: str) -> None:
    with pytest.raises(ImportRefusedError, match="--max-items"):
        run(chat, limits=Limits(items=1))


def test_a_line_without_end_is_not_read_into_memory(run: Importer) -> None:
    long = youtube(1_000, message={"runs": [{"text": "x" * 5_000}]})
    many = "".join(youtube(n * 1_000) for n in range(2, 40))
    room = run(many[: len(many)] + long + youtube(50_000), limits=Limits(line_bytes=2_000))
    assert "longer than 2000 bytes" in room.summary.unreadable_first[0]["why"]
    assert room.offsets("viewer.comment")[-1] == 50_000


def test_compressed_and_empty_files_are_refused(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match="decompress it first"):
        run(b"\x1f\x8b\x08\x00")
    with pytest.raises(ImportRefusedError, match="empty"):
        run(b"")


def test_a_recording_without_any_message_is_refused(run: Importer) -> None:
    with pytest.raises(ImportRefusedError, match="nothing to import"):
        run(bililive())


def test_a_short_salt_is_refused_with_a_recipe(run: Importer, tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text("hush-hush\n")
    with pytest.raises(ImportRefusedError, match="16 to 65536 bytes") as refused:
        run(youtube(1), salt=weak)
    assert "hush" not in str(refused.value)


def test_a_refused_import_leaves_the_earlier_output_alone(run: Importer, tmp_path: Path) -> None:
    first = run(youtube(1_000)).text
    with pytest.raises(ImportRefusedError):
        run("{bad\n" * 5)
    assert (tmp_path / "room.jsonl").read_text() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chat", "room.jsonl", "salt"]


def test_an_input_is_not_overwritten(run: Importer, tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="is an input, too"):
        run(youtube(1), out=tmp_path / "chat")


def test_json_that_nests_too_deep_is_unreadable_not_a_crash(run: Importer) -> None:
    deep = '{"replayChatItemAction": {"x": ' + "[" * 100_000 + "\n"
    room = run("".join(youtube(n * 1_000) for n in range(1, 40)) + deep)
    assert room.summary.unreadable_first == [{"line": 40, "why": "nests too deep"}]
    with pytest.raises(ImportRefusedError, match="no whole TwitchDownloader chat"):
        run('{"streamer": {}, "comments": [], "x": ' + "[" * 100_000)
    with pytest.raises(ImportRefusedError, match="has no segment"):
        run(speech='{"text": "", "segments": [], "x": ' + "[" * 100_000)
