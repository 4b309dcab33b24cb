"""What statements say, in Chinese and in English: one table, a row a phrase. Placeholders are those of `str.format`."""

from typing import Any, NamedTuple


class Phrase(NamedTuple):
    """The same in both languages."""

    zh: str
    en: str


PHRASES: dict[str, Phrase] = {
    "between sentences": Phrase("", " "),
    "between names": Phrase("、", ", "),
    "between shares": Phrase("，", ", "),
    "opening": Phrase(
        "本记录涉及 {start} 至 {end}（北京时间）的直播，规则 {rule}，第{step}级。",
        "This concerns the broadcast from {start} to {end} UTC, rule {rule} ({title}), step {step}.",
    ),
    "ground": Phrase(
        "{text}（{status}，自 {since}；来源：{source}）", "{text} ({status} since {since}; source: {source})"
    ),
    "by": Phrase("（依据：{by}）", " (by: {by})"),
    "ai_presenter": Phrase("{sure}主播由人工智能生成或呈现{by}。", "{Sure}: AI produces or presents the host{by}."),
    "label.continuous": Phrase("标识持续可见。", "A label is visible."),
    "label.visible": Phrase(
        "标识当前可见，但本场未持续显示。", "A label is visible now but was not shown continuously."
    ),
    "label.now": Phrase("标识当前可见。", "A label is visible now."),
    "label.unknown": Phrase("标识是否可见，现有记录无法确定。", "The records do not tell whether a label is visible."),
    "label.ever": Phrase("标识曾经显示，当前不可见。", "A label was shown earlier and is not visible now."),
    "label.never": Phrase("本场未见标识。", "No label was seen in this session."),
    "registration": Phrase(
        "平台登记：虚拟形象{avatar}备案，使用者{driver}实名核验，{consent}形象授权记录。",
        "Platform's registry: avatar {avatar}registered, user {driver}verified, "
        "{consent} consent to the likeness on record.",
    ),
    "recorded": Phrase("{sure}播放的是事先录制的内容{by}。", "{Sure}: what is shown was recorded earlier{by}."),
    "idle": Phrase(
        "画面中无人、无人讲话、无人回应观众已{minutes}分钟。",
        "Nobody in the picture, speaking or answering for {minutes} minutes.",
    ),
    "driven": Phrase("近期有对观众的回应。", "Viewers were answered recently."),
    "tamper": Phrase(
        "{sure}标识被删除、篡改、伪造或隐匿{by}。", "{Sure}: a marker was removed, altered, forged or hidden{by}."
    ),
    "likeness": Phrase(
        "{sure}与特定自然人相似（相似度{similarity:.2f}），授权记录：{consent}。",
        "{Sure}: resembles a known person (similarity {similarity:.2f}); consent: {consent}.",
    ),
    "persona": Phrase("{sure}存在{persona}人设，行为：{conduct}。", "{Sure}: {persona} persona used for {conduct}."),
    "software_promotion": Phrase(
        "{sure}{what}虚拟主播类软件，共{mentions}次{by}。",
        "{Sure}: {what} of virtual-host software, {mentions} times{by}.",
    ),
    "between promotions": Phrase("、", " and "),
    "product_media": Phrase(
        "{sure}商品画面为合成且失实。", "{Sure}: a product is shown by synthetic and misleading media."
    ),
    "frame": Phrase("画面测量：{ratios}。", "Of the picture, as measured: {ratios}."),
    "ratio": Phrase("{name}占{ratio:.0%}", "{name} {ratio:.0%}"),
    "same_source_audio": Phrase("声音与嵌入视频同源", "sound of an embedded video"),
    "fleet": Phrase("同一主体同时在{size}个直播间出现。", "The same identity is live in {size} rooms."),
    "history": Phrase(
        "此前经人工复核成立的同类认定，使本次自第{step}级开始。",
        "Because of earlier findings that people upheld, this one began at step {step}.",
    ),
    "statistics": Phrase(
        "统计证据“{family}”达到 {level} 级：ln M = {log_e:.2f}（{shares}），即 M = {mass:.3g}，"
        "该级别门槛 {threshold:.0e}，每直播间小时误报率不高于 {rate}。",
        "Statistical evidence {family} reached {level}: ln M = {log_e:.2f} ({shares}), so M = {mass:.3g}; "
        "the level needs {threshold:.0e}, and its false alarms are at most {rate} per room-hour.",
    ),
    "without": Phrase(
        "若无下列任一项，本规则不成立：{names}。", "Without any one of these the rule would not hold: {names}."
    ),
    "exempt": Phrase(
        "本直播间享有豁免（{reason}），至 {until}（北京时间）止，期间不产生任何处置。",
        "The room is exempt ({reason}) until {until} UTC; nothing follows until then.",
    ),
    "cleared": Phrase(
        "上述情形已不再成立或直播已结束，本次认定解除。",
        "This no longer holds, or the broadcast has ended; the finding is cleared.",
    ),
    "withdrawn": Phrase("经人工复核，本次认定撤销。", "After review by a person the finding is withdrawn."),
    "restored": Phrase("经人工复核，恢复本次认定。", "After review by a person the finding stands again."),
    "partly": Phrase(
        "经人工复核，本次认定部分成立，仅保留所列处置。",
        "After review by a person the finding stands in part; only what is listed here remains.",
    ),
    "shadow": Phrase("本规则处于试运行，不产生任何处置。", "This rule is on trial; nothing follows from it."),
    "redress": Phrase(
        "如有异议，可通过平台申诉入口提出，由人工复核；本系统仅提出建议，处置由平台作出。"
        "申诉成立的，本场直播不再适用该规则。",
        "You may appeal through the platform; a person will decide. This system only recommends, the platform acts. "
        "If the appeal succeeds, the rule no longer applies to this broadcast.",
    ),
}

WORDS: dict[str, dict[Any, Phrase]] = {
    "sure": {
        "suspected": Phrase("疑似", "suspected"),
        "possible": Phrase("很可能", "possible"),
        "confirmed": Phrase("已确认", "confirmed"),
    },
    "by": {
        "gb45438": Phrase("GB 45438 标识", "gb45438"),
        "c2pa": Phrase("C2PA 来源凭证", "c2pa"),
        "iptc": Phrase("IPTC 数字来源类型", "iptc"),
        "watermark": Phrase("生成水印", "watermark"),
        "declared": Phrase("直播间自行声明", "declared"),
        "detectors": Phrase("检测器统计", "detectors"),
        "voice_and_visual": Phrase("声音与画面两类检测统计", "voice and visual"),
        "detectors_and_challenge": Phrase("检测器统计与真人验证", "detectors and challenge"),
        "repetition": Phrase("内容重复统计", "repetition"),
        "repetition_and_challenge": Phrase("内容重复统计与真人验证", "repetition and challenge"),
        "repetition_and_source": Phrase("内容重复统计，且声音与嵌入视频同源", "repetition and same source audio"),
        "same_source_audio": Phrase("声音与嵌入视频同源", "same source audio"),
        "label": Phrase("标识被取下", "label"),
        "speech": Phrase("口播", "speech"),
        "title": Phrase("标题", "title"),
        "comment": Phrase("主播评论", "comment"),
        "product": Phrase("商品", "product"),
    },
    "family": {
        "AI": Phrase("人工智能生成检测", "AI"),
        "UNLABELLED": Phrase("未标识时段的人工智能生成检测", "UNLABELLED"),
        "NONINT": Phrase("不回应观众", "NONINT"),
        "PLAY": Phrase("内容循环播放", "PLAY"),
        "CHALLENGE": Phrase("真人验证未通过", "CHALLENGE"),
    },
    "consent": {
        "granted": Phrase("有", "granted"),
        "none": Phrase("无", "none"),
        "unknown": Phrase("不明", "unknown"),
        "": Phrase("不明", ""),
    },
    "ratio": {
        "avatar_height_ratio": Phrase("数字人高度", "avatar's height"),
        "embedded_video_ratio": Phrase("嵌入视频", "embedded video"),
        "cover_ratio": Phrase("遮盖画面", "cover"),
    },
    "status": {
        "in_force": Phrase("现行有效", "in force"),
        "draft": Phrase("征求意见稿", "draft"),
        "inferred": Phrase("由同类规则推定", "inferred"),
    },
    "persona": {
        "foreign": Phrase("虚假外国人", "foreign"),
        "elite": Phrase("虚假成功人士", "elite"),
        "attractive": Phrase("俊男美女人设", "attractive"),
    },
    "conduct": {
        "patriotism": Phrase("借爱国话题引流", "patriotism"),
        "courses": Phrase("售卖课程", "courses"),
        "private_traffic": Phrase("引流至站外", "private traffic"),
        "interaction_bait": Phrase("诱导互动", "interaction bait"),
        "other": Phrase("其他", "other"),
    },
    "promotion": {
        "selling": Phrase("售卖", "sale"),
        "teaching": Phrase("教学", "teaching"),
        "": Phrase("展示", "show"),
    },
    "done": {True: Phrase("已", ""), False: Phrase("未", "not ")},
    "there": {True: Phrase("有", "a"), False: Phrase("无", "no")},
}
