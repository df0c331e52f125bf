"""What notices say, in both languages of the product: the reader's language is not known when one is sent."""

from typing import Any

from msgspec import Struct


class Notice(Struct, frozen=True):
    """`template` keeps its places as `{{value}}`, for receivers that fill them in themselves."""

    kind: str
    title: str
    content: str
    template: str
    values: tuple[str, ...]


# kind -> (title, sentence in Chinese, sentence in English, facts in the order of their places)
_TEXTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "quota_exceed": (
        "您的额度即将用尽 / Your balance is low",
        "您的剩余额度为 {{value}},低于提醒阈值 {{value}},请及时充值。",
        "Your balance is {{value}}, below your reminder at {{value}}. Please top up.",
        ("quota", "threshold"),
    ),
    "channel_disabled": (
        "通道「{name}」(#{id})已被禁用 / Channel {name} (#{id}) was disabled",
        "通道「{{value}}」(#{{value}})已被自动禁用,原因:{{value}}",
        "Channel {{value}} (#{{value}}) was disabled automatically. Reason: {{value}}",
        ("name", "id", "reason"),
    ),
    "channel_enabled": (
        "通道「{name}」(#{id})已被启用 / Channel {name} (#{id}) was enabled",
        "通道「{{value}}」(#{{value}})已恢复并自动启用。",
        "Channel {{value}} (#{{value}}) works again and was enabled automatically.",
        ("name", "id"),
    ),
    "channel_update_many": (
        "多个通道状态变化 / Many channels changed",
        "短时间内有多个通道被自动禁用或启用,请查看通道健康页面。",
        "Many channels were disabled or enabled within a minute; see the channel health page.",
        (),
    ),
    "channel_test": (
        "通道测试完成 / Channel test finished",
        "共测试 {{value}} 个通道,通过 {{value}} 个,禁用 {{value}} 个,启用 {{value}} 个。",
        "{{value}} channels tested, {{value}} passed, {{value}} disabled, {{value}} enabled.",
        ("total", "passed", "disabled", "enabled"),
    ),
    "channel_balance_low": (
        "通道「{name}」(#{id})余额不足 / Channel {name} (#{id}) is running out of balance",
        "通道「{{value}}」(#{{value}})在上游的余额为 {{value}} 美元。",
        "Channel {{value}} (#{{value}}) has {{value}} USD left at its provider.",
        ("name", "id", "balance"),
    ),
    "job_failed": (
        "后台任务失败 / A job failed",
        "后台任务 {{value}} 失败:{{value}}。详情见任务列表和日志。",
        "The job {{value}} failed: {{value}}. See the list of jobs and the log.",
        ("job", "error"),
    ),
    "security": (
        "账户安全提醒 / Security of your account",
        "{{value}},来自 {{value}}({{value}})。如果不是您本人操作,请立即修改密码并退出其他设备。",
        "{{value}}, from {{value}} ({{value}}). If this was not you, change your password and sign other devices out.",
        ("event", "ip", "agent"),
    ),
    "reconcile_drift": (
        "账目核对发现差异 / The books do not agree",
        "核对发现 {{value}} 处差异,共 {{value}} 额度单位,请查看日志并运行 medusa reconcile。",
        "Reconciliation found {{value}} differences, {{value}} units in all; see the log and run medusa reconcile.",
        ("drifts", "units"),
    ),
    "redis_emptied": (
        "Redis 数据丢失 / Redis had lost its memory",
        "{{value}} 发现 Redis 已被清空。{{value}} 之后结束的调用可能没有入账,范围和上限见 medusa reconcile。",
        "At {{value}} Redis was found emptied. Calls that ended from {{value}} on may be missing in the books; medusa reconcile"
        " tells the bound.",
        ("noticed", "since"),
    ),
    "redis_rewound": (
        "Redis 丢失了最近的写入 / Redis had lost its last writes",
        "{{value}} 发现 Redis 丢失了最近的写入。{{value}} 之后结束的调用可能没有入账,范围和上限见 medusa reconcile。",
        "At {{value}} Redis was found to have lost its last writes. Calls that ended from {{value}} on may be missing in the"
        " books; medusa reconcile tells the bound.",
        ("noticed", "since"),
    ),
}


# what happened to an account -> (Chinese, English)
SECURITY_EVENTS = {
    "new_device": ("您的账户在新设备上登录", "Your account was signed in on a new device"),
    "password": ("您的密码已修改", "Your password was changed"),
    "email": ("您的邮箱已修改", "Your e-mail address was changed"),
    "access_token": ("您的访问令牌已重新生成", "A new access token was made for your account"),
    "two_factor_on": ("两步验证已启用", "The second step of signing in was switched on"),
    "two_factor_off": ("两步验证已关闭", "The second step of signing in was switched off"),
    "backup_codes": ("备用码已重新生成", "New backup codes were made"),
    "passkey_added": ("已添加通行密钥", "A passkey was added"),
    "passkey_removed": ("已删除通行密钥", "A passkey was removed"),
    "bound": ("已绑定第三方账户", "An account elsewhere was bound"),
    "unbound": ("已解除第三方账户绑定", "The binding to an account elsewhere was removed"),
}


def write_notice(kind: str, facts: dict[str, Any]) -> Notice:
    """The notice of a kind; raises LookupError for one that has no text. Kinds of a channel carry its id: channel_update_7_3."""
    name = kind
    if kind.startswith("channel_update_") and kind != "channel_update_many":
        name = "channel_enabled" if kind.endswith("_1") else "channel_disabled"
    title, zh, en, places = _TEXTS[name]
    shown = {key: _show(value) for key, value in facts.items()}
    if kind == "security":
        shown["event"] = " / ".join(SECURITY_EVENTS[shown["what"]])
    values = tuple(shown.get(place, "?") for place in places)
    for key in ("name", "id"):
        title = title.replace("{" + key + "}", _one_line(shown.get(key, "?")))
    return Notice(kind, title, f"{_fill(zh, values)}\n{_fill(en, values)}", f"{zh}\n{en}", values)


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    """Titles become mail headers."""
    return " ".join(text.split())[:100]


def _fill(text: str, values: tuple[str, ...]) -> str:
    for value in values:
        text = text.replace("{{value}}", value, 1)
    return text
