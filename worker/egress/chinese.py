"""What mainland rules owe the host of a room: facts, ground, what follows and for how long, way of appeal."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

_BEIJING = timezone(timedelta(hours=8))

ACTIONS_ZH: dict[str, str] = {
    "notify": "提醒", "challenge": "真人验证", "sample_more": "加强抽检", "add_label": "添加显著标识",
    "review": "提交人工复核", "no_boost": "不给予流量扶持", "reduce_live_recommendation": "减少直播推荐",
    "reduce_account_recommendation": "减少账号推荐", "hide_public_traffic": "本场不进入公域流量",
    "pause_live": "暂停直播", "interrupt_live": "中断直播", "suspend_live": "暂停直播权限", "deduct_points": "扣分",
    "limit_commerce": "限制带货功能", "freeze_payout": "冻结货款", "demonetise": "取消收益权限",
    "remove_content": "移除内容", "ban_account": "封禁账号", "report_authorities": "向主管部门报告",
}  # fmt: skip
WHILE_IT_LASTS = frozenset(
    {
        "sample_more", "add_label", "no_boost", "reduce_live_recommendation", "reduce_account_recommendation",
        "hide_public_traffic", "pause_live", "suspend_live", "limit_commerce", "freeze_payout", "demonetise",
    }
)  # fmt: skip
"""Actions that last, for a term that the platform sets where the rule names none. The others happen once."""
BECAUSE_ZH = {
    "certainty": "证据确定程度不足", "cap": "已达自动处置上限或规则暂停，待人工放行", "exemption": "符合豁免条件",
    "review": "须经人工决定", "rollout": "规则试运行或尚未适用于本直播间",
}  # fmt: skip


def chinese_statement(violation: Mapping[str, Any]) -> dict[str, str] | None:
    """The sections of the statement by their Chinese headings, in order; None for rooms outside the mainland."""
    if violation["region"] != "CN":
        return None
    said = violation["statement"]
    return {
        "事实": said["facts_text"],
        "依据": said["ground"],
        "处置建议及期限": _consequences(violation),
        "申诉途径": said["redress"],
    }


def _consequences(violation: Mapping[str, Any]) -> str:
    sentences = [f"{ACTIONS_ZH[action['action']]}（{_term(action)}）。" for action in violation["actions"]]
    sentences += [
        f"暂不采取：{ACTIONS_ZH[held['action']]}（{BECAUSE_ZH[held['because']]}）。" for held in violation["withheld"]
    ]
    return "".join(sentences) or "无。"


def _term(action: Mapping[str, Any]) -> str:
    until_ms = action.get("until_ms")
    if until_ms is not None:
        t = datetime.fromtimestamp(until_ms / 1000, _BEIJING)
        return f"至 {t.year}年{t.month:02}月{t.day:02}日{t.hour:02}时{t.minute:02}分（北京时间）"
    return "期限由平台决定，情形消除或直播结束后本次认定解除" if action["action"] in WHILE_IT_LASTS else "一次性"
