"""Encodings are found, broken bytes are repaired and counted, and JSON that is none becomes JSON."""

import json
from pathlib import Path

import pytest

from worker.lab.importers.limits import ImportRefusedError, Limits
from worker.lab.importers.readable import encoding_of, open_lines, read_text, repaired_json
from worker.lab.importers.recording import Ledger

CHINESE = "这件多少钱，还有M码吗？\n主播你好，我要买两个\n" * 4


def text_of(tmp_path: Path, data: bytes) -> tuple[str, Ledger]:
    path, ledger = tmp_path / "file", Ledger(Limits())
    path.write_bytes(data)
    return read_text(path, 1 << 20, "--max-speech-mb", ledger, lambda _: None), ledger


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "gb18030"],
)
def test_text_is_the_same_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n" + CHINESE
    found, ledger = text_of(tmp_path, text.encode(encoding))
    assert found == text
    assert not ledger.changed


@pytest.mark.parametrize("name", ["GBK", "gb2312", "Big5", "shift_jis"])
def test_a_declared_encoding_is_believed_unless_the_text_is_utf_8(name: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{name}"?><i>'
    assert encoding_of((declaration + "多少").encode(name))[0] in ("gb18030", "big5", "cp932")
    assert encoding_of((declaration + "多少").encode())[0] == "utf-8"


def test_a_character_cut_in_two_costs_itself_only(tmp_path: Path) -> None:
    data = CHINESE.encode()
    found, ledger = text_of(tmp_path, data[:4] + data[5:])
    assert found.startswith("这\ufffd") and found.endswith(CHINESE[3:])
    assert list(ledger.changed.values()) == [1]


@pytest.mark.parametrize(("text", "encoding"), [("いくらですか\n" * 9, "cp932"), ("얼마예요 이거\n" * 9, "euc_kr")])
def test_an_encoding_that_nothing_tells_is_refused_with_place_and_advice(
    tmp_path: Path, text: str, encoding: str
) -> None:
    with pytest.raises(ImportRefusedError, match=r"byte 0 is not UTF-8.*GB18030.*convert it to UTF-8"):
        text_of(tmp_path, text.encode(encoding))


def test_a_line_longer_than_the_limit_is_cut_between_characters(tmp_path: Path) -> None:
    path, ledger = tmp_path / "file", Ledger(Limits())
    path.write_bytes(("价" * 100).encode())
    parts = []
    with open_lines(path, 1 << 20, "--max-chat-mb", ledger, lambda _: None) as lines:
        while data := lines.readline(64):
            parts.append(data.decode())
    assert "".join(parts) == "价" * 100
    assert not ledger.changed


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": NaN, "b": -Infinity, "c": "NaN"}', {"a": None, "b": None, "c": "NaN"}),
        (b'{"p": -nan(ind), "q": [nan]}', {"p": None, "q": [None]}),
        (rb'["\ud83d", "\ud83d\ude00", "\ude00x", "\\ud83d"]', ["\ufffd", "😀", "\ufffdx", "\\ud83d"]),
        (b'["a\x08b\nc"]', ["a b c"]),
        (b'["\xe4\xbb", "\xff"]', ["\ufffd", "\ufffd"]),
        (rb'["\x", "\u12"]', ["\\x", "\\u12"]),
        (b'\xef\xbb\xbf["a"]', ["a"]),
    ],
)
def test_json_that_writers_write_becomes_json(data: bytes, value: object) -> None:
    assert json.loads(repaired_json(data)) == value


def test_sound_json_stays_as_it_is() -> None:
    data = json.dumps({"text": '"\\ NaN 😀', "numbers": [1, -2.5e3], "nanny": None}).encode()
    assert repaired_json(data) == data


def test_hostile_text_costs_one_pass() -> None:
    assert repaired_json(b'"' + b'\\"' * 2_000_000)
