"""Every setting that the database keeps, declared once: API, admin pages and documentation are made from this table."""

from typing import Any

from msgspec import Struct

from schema.option_texts import TEXTS, OptionText


class OptionSpec(Struct, frozen=True):
    """One setting. `kind`: bool, int, float, str, url, enum, words (comma list), lines, json, prices (name to number).

    `group` and `section` say where the settings page has it, `unit` what a number counts.
    """

    key: str
    field: str  # of schema.options.Options
    kind: str
    default: str  # as text, the way a row would hold it
    group: str
    section: str = ""
    unit: str = ""
    shape: str = ""  # of a JSON setting: schema.option_shapes
    english: OptionText = OptionText("", "")
    chinese: OptionText = OptionText("", "")
    lowest: float | None = None
    highest: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    restart: bool = False
    hidden: bool = False  # kept on read and write for the predecessors, without effect, not shown
    aliases: tuple[str, ...] = ()  # keys of One API, read when ours is absent


# key|kind|default|group/section, then in any order: lowest|highest, secret, hidden, unit=…, shape=…, alias=…
_ROWS = """
# general
TopUpLink|url||general
general_setting.docs_link|url||general
QuotaPerUnit|float|500000|general|1|1e12|unit=units
DisplayInCurrencyEnabled|bool|true|general
DisplayTokenStatEnabled|bool|true|general
DefaultCollapseSidebar|bool|false|general
DemoSiteEnabled|bool|false|general
SelfUseModeEnabled|bool|false|general
DrawingEnabled|bool|true|general
TaskEnabled|bool|true|general
Chats|json:list|@CHATS|general|shape=links
# credit
QuotaForNewUser|int|0|credit|0|1e15|unit=units
QuotaForInviter|int|0|credit|0|1e15|unit=units
QuotaForInvitee|int|0|credit|0|1e15|unit=units
PreConsumedQuota|int|500|credit|0|1e9|unit=tokens
BalanceExhaustedPolicy|enum:cut,finish|cut|credit
QuotaRemindThreshold|int|1000|credit|0|1e15|unit=units
# prices
ModelRatio|prices|@model_ratio|prices/tables|unit=times
CompletionRatio|prices|@completion_ratio|prices/tables|unit=times
ModelPrice|prices|@model_price|prices/tables|unit=usd
CacheRatio|prices|@cache_ratio|prices/tables|unit=times
CacheCreationRatio|prices|@cache_creation_ratio|prices/tables|unit=times
AudioRatio|prices|{}|prices/tables|unit=times
AudioCompletionRatio|prices|{}|prices/tables|unit=times
ImageRatio|prices|{}|prices/tables|unit=times
PricingPublic|bool|true|prices/tables
PriceTablesMerged|words||prices/tables
GroupRatio|prices|@group_ratio|prices/groups|unit=times
GroupGroupRatio|json:dict|{}|prices/groups|unit=times|shape=ratios
UserUsableGroups|json:dict|@user_usable_groups|prices/groups|shape=texts
AutoGroups|json:list|[]|prices/groups|shape=names
# payment
PayAddress|url||payment/epay
EpayId|str||payment/epay
EpayKey|str||payment/epay|secret
CustomCallbackAddress|url||payment/epay
Price|float|7.3|payment/epay|0.000001|1e9|unit=cny
MinTopUp|int|1|payment/epay|1|1e9|unit=usd
TopupGroupRatio|prices|@topup_group_ratio|payment/epay|unit=times
TopUpOrderMinutes|int|60|payment/epay|5|10080|unit=min
StripeApiSecret|str||payment/stripe|secret
StripeWebhookSecret|str||payment/stripe|secret
StripePriceId|str||payment/stripe
StripeCurrency|str|usd|payment/stripe
StripeUnitPrice|float|8|payment/stripe|0.000001|1e9
StripeMinTopUp|int|1|payment/stripe|1|1e9|unit=usd
# relay
RetryTimes|int|0|relay/retry|0|100|unit=attempts
RetryTierPolicy|enum:descend,exhaust|descend|relay/retry
ChannelChoice|enum:weighted,fastest,cheapest|weighted|relay/retry
AffinityEnabled|bool|false|relay/retry
CooldownSeconds|float|5|relay/retry|0|300|unit=s
ApproximateTokenEnabled|bool|false|relay/retry
HedgeAfterMs|int|0|relay/hedging|0|600000|unit=ms
HedgeModels|words||relay/hedging
HedgePercent|int|10|relay/hedging|1|100|unit=percent
BreakerEnabled|bool|true|relay/breaker
BreakerFailures|int|5|relay/breaker|1|1000|unit=failures
BreakerFailurePercent|int|50|relay/breaker|1|100|unit=percent
BreakerOpenSeconds|float|5|relay/breaker|0.1|3600|unit=s
BreakerOpenSecondsMax|float|30|relay/breaker|0.1|3600|unit=s
BreakerFirstByteSeconds|float|0|relay/breaker|0|3600|unit=s
general_setting.ping_interval_enabled|bool|true|relay/streams
general_setting.ping_interval_seconds|int|15|relay/streams|1|3600|unit=s
general_setting.ping_before_first_byte|bool|false|relay/streams
ForwardClientHeaders|words||relay/headers
PassUpstreamHeaders|bool|false|relay/headers
RealtimeAllowedOrigins|words|*|relay/headers
# models
global.pass_through_request_enabled|bool|false|models/bodies
ReasoningPrefixes|words|o1,o3,o4,gpt-5|models/bodies
ReturnRequestedModel|bool|false|models/bodies
claude.model_headers_settings|json:dict|{}|models/claude|shape=headers
claude.default_max_tokens|json:dict|{"default":8192}|models/claude|unit=tokens|shape=numbers
claude.thinking_adapter_enabled|bool|true|models/claude
claude.thinking_adapter_budget_tokens_percentage|float|0.8|models/claude|0.1|1|unit=part
gemini.safety_settings|json:dict|{"default":"OFF","HARM_CATEGORY_CIVIC_INTEGRITY":"BLOCK_NONE"}|models/gemini|shape=texts
gemini.version_settings|json:dict|{"default":"v1beta","gemini-1.0-pro":"v1"}|models/gemini|shape=texts
gemini.thinking_adapter_enabled|bool|false|models/gemini
gemini.thinking_adapter_budget_tokens_percentage|float|0.6|models/gemini|0.002|1|unit=part
# limits
ModelRequestRateLimitEnabled|bool|false|limits/calls
ModelRequestRateLimitDurationMinutes|int|1|limits/calls|1|10080|unit=min
ModelRequestRateLimitCount|int|0|limits/calls|0|1e9|unit=calls
ModelRequestRateLimitSuccessCount|int|1000|limits/calls|0|1e9|unit=calls
ModelRequestRateLimitGroup|json:dict|{}|limits/calls|unit=calls|shape=limits
ModelTokensPerMinuteLimit|int|0|limits/tokens|0|1e12|unit=tokens
ModelTokensPerMinuteGroup|json:dict|{}|limits/tokens|unit=tokens|shape=numbers
# monitoring
AutomaticDisableChannelEnabled|bool|false|monitoring/disabling
AutoDisablePolicy|enum:window,original|window|monitoring/disabling
AutoDisableErrors|int|3|monitoring/disabling|1|1000|unit=failures
AutoDisableWindowSeconds|int|300|monitoring/disabling|10|86400|unit=s
AutoDisableErrorPercent|int|50|monitoring/disabling|0|100|unit=percent
AutoDisableKeepLast|bool|false|monitoring/disabling
ChannelDisableThreshold|float|5|monitoring/disabling|0|86400|unit=s
AutomaticDisableKeywords|lines|@KEYWORDS|monitoring/disabling
AutomaticEnableChannelEnabled|bool|false|monitoring/disabling
AutoEnableProbe|bool|true|monitoring/disabling
ChannelTestIntervalMinutes|int|0|monitoring/schedule|0|525600|unit=min
ChannelUpdateIntervalMinutes|int|0|monitoring/schedule|0|525600|unit=min
ChannelBalanceAlert|float|0|monitoring/schedule|0|1e12|unit=usd
# logs
LogConsumeEnabled|bool|true|logs
LogClientIp|bool|false|logs
LogByKeyRowsMax|int|1000|logs|1|100000|unit=rows
LogRetentionDays|int|0|logs|0|36500|unit=days
ErrorLogRetentionDays|int|30|logs|0|36500|unit=days
HourlyDataRetentionDays|int|0|logs|0|36500|unit=days
TaskRetentionDays|int|0|logs|0|36500|unit=days
AuditRetentionDays|int|730|logs|30|36500|unit=days
DeletedUserPurgeDays|int|30|logs|0|36500|unit=days
# dashboard
DataExportEnabled|bool|true|dashboard
DataExportDefaultTime|enum:hour,day,week|hour|dashboard
# drawing
MjNotifyEnabled|bool|false|drawing
MjAccountFilterEnabled|bool|false|drawing
MjModeClearEnabled|bool|false|drawing
MjForwardUrlEnabled|bool|true|drawing
MjActionCheckSuccessEnabled|bool|true|drawing
MjImageSigned|bool|false|drawing
TaskTimeoutMinutes|json:dict|{"mj":60,"suno":360}|drawing|unit=min|shape=numbers
# sensitive
CheckSensitiveEnabled|bool|true|sensitive
CheckSensitiveOnPromptEnabled|bool|true|sensitive
SensitiveWords|lines|test_sensitive|sensitive
# login
PasswordLoginEnabled|bool|true|login/ways
PasskeyLoginEnabled|bool|true|login/ways
RegisterEnabled|bool|true|login/ways
PasswordRegisterEnabled|bool|true|login/ways
EmailVerificationEnabled|bool|false|login/ways
EmailDomainRestrictionEnabled|bool|false|login/domains
EmailDomainWhitelist|words|gmail.com,163.com,126.com,qq.com,outlook.com,hotmail.com,icloud.com,yahoo.com,foxmail.com|login/domains
EmailAliasRestrictionEnabled|bool|false|login/domains
GitHubOAuthEnabled|bool|false|login/github
GitHubClientId|str||login/github
GitHubClientSecret|str||login/github|secret
discord.enabled|bool|false|login/discord
discord.client_id|str||login/discord
discord.client_secret|str||login/discord|secret
LinuxDOOAuthEnabled|bool|false|login/linuxdo
LinuxDOClientId|str||login/linuxdo
LinuxDOClientSecret|str||login/linuxdo|secret
LinuxDOMinimumTrustLevel|int|0|login/linuxdo|0|4
TelegramOAuthEnabled|bool|false|login/telegram
TelegramBotToken|str||login/telegram|secret
TelegramBotName|str||login/telegram
WeChatAuthEnabled|bool|false|login/wechat
WeChatServerAddress|url||login/wechat
WeChatServerToken|str||login/wechat|secret
WeChatAccountQRCodeImageURL|url||login/wechat
oidc.enabled|bool|false|login/oidc|alias=OidcEnabled
oidc.client_id|str||login/oidc|alias=OidcClientId
oidc.client_secret|str||login/oidc|secret|alias=OidcClientSecret
oidc.well_known|url||login/oidc|alias=OidcWellKnown
oidc.authorization_endpoint|url||login/oidc|alias=OidcAuthorizationEndpoint
oidc.token_endpoint|url||login/oidc|alias=OidcTokenEndpoint
oidc.user_info_endpoint|url||login/oidc|alias=OidcUserinfoEndpoint
LarkClientId|str||login/lark
LarkClientSecret|str||login/lark|secret
TurnstileCheckEnabled|bool|false|login/turnstile
TurnstileSiteKey|str||login/turnstile
TurnstileSecretKey|str||login/turnstile|secret
# mail
SMTPServer|str||mail
SMTPPort|int|587|mail|1|65535
SMTPAccount|str||mail
SMTPFrom|str||mail
SMTPToken|str||mail|secret
SMTPSSLEnabled|bool|false|mail
SMTPTLSMode|enum:auto,implicit,starttls,none|auto|mail
# security
ChannelAllowPrivate|bool|true|security
LegacyTokenKeysInLists|bool|true|security
AccessTokenHashOnUse|bool|false|security
WebhookAllowHttp|bool|false|security
OidcAllowPrivate|bool|false|security
TwoFactorRequiredForAdmins|bool|false|security
# system
ServerAddress|url||system/address
WorkerUrl|url||system/address
WorkerValidKey|str||system/address|secret
OneApiCompat|bool|false|system/address
SystemName|str|MedusaXD API|system/pages
Logo|url||system/pages
Footer|str||system/pages
Notice|str||system/pages
About|str||system/pages
HomePageContent|str||system/pages
# kept on read and write for the predecessors, without effect
DataExportInterval|int|5|dashboard|1|1440|hidden
StopOnSensitiveEnabled|bool|true|sensitive|hidden
StreamCacheQueueLength|int|0|sensitive|hidden
Theme|str|default|system|hidden
FileUploadPermission|int|0|system|hidden
FileDownloadPermission|int|0|system|hidden
ImageUploadPermission|int|0|system|hidden
ImageDownloadPermission|int|0|system|hidden
ChatLink|url||system|hidden
MessagePusherAddress|url||system|hidden
MessagePusherToken|str||system|hidden|secret
"""

_KEYWORDS = "\n".join(
    (
        "your credit balance is too low",
        "this organization has been disabled.",
        "you exceeded your current quota",
        "permission denied",
        "the security token included in the request is invalid",
        "operation not allowed",
        "your account is not authorized",
    )
)
_CHATS = (
    '[{"ChatGPT Next Web":"https://app.nextchat.dev/#/?settings={\\"key\\":\\"{key}\\",\\"url\\":\\"{address}\\"}"},'
    '{"OpenCat":"opencat://team/join?domain={address}&token={key}"}]'
)


def _field(key: str) -> str:
    name = key.replace(".", "_")
    out: list[str] = []
    for at, char in enumerate(name):
        starts = char.isupper() and at > 0 and name[at - 1] != "_"
        if starts and (not name[at - 1].isupper() or (at + 1 < len(name) and name[at + 1].islower())):
            out.append("_")
        out.append(char.lower())
    return (
        "".join(out)
        .replace("git_hub", "github")
        .replace("linux_do_", "linuxdo_")
        .replace("we_chat", "wechat")
        .replace("smtpssl", "smtp_ssl")
        .replace("smtptls", "smtp_tls")
    )


def read_table(tables: dict[str, str]) -> dict[str, OptionSpec]:
    """The table as specs by key. `tables` gives the text of a default that is written `@name`."""
    texts = {"KEYWORDS": _KEYWORDS, "CHATS": _CHATS} | tables
    specs: dict[str, OptionSpec] = {}
    for line in _ROWS.strip().splitlines():
        if line.startswith("#"):
            continue
        key, kind, default, place, *rest = line.split("|")
        more: dict[str, Any] = {}
        numbers = [item for item in rest if item[0].isdigit()]
        if numbers:
            more["lowest"], more["highest"] = float(numbers[0]), float(numbers[1])
        more["secret"], more["hidden"] = "secret" in rest, "hidden" in rest
        for tag in ("unit", "shape"):
            more[tag] = next((item[len(tag) + 1 :] for item in rest if item.startswith(f"{tag}=")), "")
        more["aliases"] = tuple(item[6:] for item in rest if item.startswith("alias="))
        kind, _, detail = kind.partition(":")
        if kind == "enum":
            more["choices"] = tuple(detail.split(","))
        elif kind == "json":
            kind = f"json:{detail}"
        text = texts[default[1:]] if default.startswith("@") else default
        group, _, section = place.partition("/")
        if not more["hidden"]:
            more["english"], more["chinese"] = TEXTS[key]
        specs[key] = OptionSpec(key, _field(key), kind, text, group, section, **more)
    return specs
