"""The same two lines of speech in each kind of subtitles, and as a table. None of them uses the importer."""

import json

STYLES = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,20\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
SUBTITLES = {
    "ass": STYLES + "Dialogue: 0,0:00:01.20,0:00:03.00,Default,主播,0,0,0,,先看这一件\\N纯棉的\n"
    "Dialogue: 0,0:00:03.00,0:00:04.50,Default,,0,0,0,,{\\k50}要{\\k30}M{\\k40}码的扣一\n",
    "lrc": "[by:whisper.cpp]\n[00:01.20]先看这一件 纯棉的\n[00:03.00]要M码的扣一\n[00:04.50]\n",
    "tsv": "start\tend\ttext\n1200\t3000\t先看这一件 纯棉的\n3000\t4500\t要M码的扣一\n",
    "labels": "1.2\t3.0\t[[SPEAKER_00]]先看这一件 纯棉的\n3.0\t4.5\t要M码的扣一\n",
    "youtube-json3": json.dumps({"wireMagic": "pb3", "events": [
        {"tStartMs": 0, "dDurationMs": 4500, "id": 1, "wpWinPosId": 1},
        {"tStartMs": 1200, "dDurationMs": 3300,
         "segs": [{"utf8": "先看这一件"}, {"utf8": " 纯棉的", "tOffsetMs": 400}]},
        {"tStartMs": 2990, "dDurationMs": 1510, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 3000, "dDurationMs": 1500, "segs": [{"utf8": "要M码的扣一"}]},
    ]}),
    "youtube-srv3": '<?xml version="1.0" encoding="utf-8" ?><timedtext format="3">\n<head><ws id="0"/></head>\n<body>\n'
    '<w t="0" id="1" wp="1" ws="1"/>\n<p t="1200" d="1800" w="1"><s ac="0">先看这一件</s><s t="400"> 纯棉的</s></p>\n'
    '<p t="2990" d="1510" w="1" a="1">\n</p>\n<p t="3000" d="1500" w="1"><s>要M码的扣一</s></p>\n</body>\n</timedtext>',
    "youtube-srv1": '<transcript><text start="1.2" dur="1.8">先看这一件 纯棉的</text>'
    '<text start="3" dur="1.5">要M码的扣一</text></transcript>',
    "ttml": '<?xml version="1.0"?>\n<tt xml:lang="zh" xmlns="http://www.w3.org/ns/ttml"><body><div>\n'
    '<p begin="00:00:01.200" end="00:00:03.000" style="s2">先看这一件<span> 纯棉的</span></p>\n'
    '<p begin="3s" dur="1.5s">要M码的扣一</p>\n</div></body></tt>',
}  # fmt: skip
ALL = SUBTITLES | {
    "speaker-blocks": "说话人 1 00:00:01\n先看这一件 纯棉的\n\n说话人 1 00:00:03\n要M码的扣一\n",
}
"""With the kinds that know less than two times a line."""
