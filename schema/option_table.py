"""Every setting that the database keeps, declared once: API, admin pages and documentation are made from this table."""

from typing import Any

from msgspec import Struct


class OptionSpec(Struct, frozen=True):
    """One setting. `kind`: bool, int, float, str, url, enum, words (comma list), lines, json, prices (name to number)."""

    key: str
    field: str  # of schema.options.Options
    kind: str
    default: str  # as text, the way a row would hold it
    group: str
    help_en: str
    help_zh: str
    lowest: float | None = None
    highest: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    restart: bool = False
    hidden: bool = False  # kept on read and write for the predecessors, without effect, not shown
    aliases: tuple[str, ...] = ()  # keys of One API, read when ours is absent


_ROWS = """
# general
TopUpLink|url||general|link for buying codes, shown on the wallet page|钱包页显示的购买兑换码链接
general_setting.docs_link|url||general|documentation link|文档链接
QuotaPerUnit|float|500000|general|quota units in one USD|每美元对应的额度|1|1e12
RetryTimes|int|0|relay|extra attempts on other channels|失败后换渠道重试的次数|0|100
DisplayInCurrencyEnabled|bool|true|general|show money instead of units|以货币形式显示额度
DisplayTokenStatEnabled|bool|true|general|client billing endpoints report the token instead of the user|账单接口按令牌而非用户统计
DefaultCollapseSidebar|bool|false|general|collapse the side bar at first|默认折叠侧边栏
DemoSiteEnabled|bool|false|general|texts of a demonstration site|演示站点模式
SelfUseModeEnabled|bool|false|general|models without a ratio cost 37.5 instead of being refused|自用模式:未设置倍率的模型按 37.5 计费
QuotaForNewUser|int|0|credit|units given to a new user|新用户初始额度|0|1e15
QuotaForInviter|int|0|credit|units of reward for an inviter|邀请人奖励额度|0|1e15
QuotaForInvitee|int|0|credit|units given to an invited user|被邀请人奖励额度|0|1e15
PreConsumedQuota|int|500|credit|completion tokens held when the client names no maximum|未给出最大长度时预扣的补全令牌数|0|1e9
BalanceExhaustedPolicy|enum:cut,finish|cut|credit|a balance that runs out in mid-stream: cut the stream, or let it finish|流式途中余额耗尽:截断或允许完成
QuotaRemindThreshold|int|1000|credit|units below which a user is reminded|额度提醒阈值|0|1e15
ChannelDisableThreshold|float|5|monitoring|seconds; a slower test disables the channel; 0 = never|测试超过该秒数则禁用渠道,0 为从不|0|86400
AutomaticDisableChannelEnabled|bool|false|monitoring|disable channels that fail for good|失败时自动禁用渠道
AutomaticEnableChannelEnabled|bool|false|monitoring|enable channels again when a test passes|测试通过后自动启用渠道
AutomaticDisableKeywords|lines|@KEYWORDS|monitoring|words of an upstream error that disable the channel|触发自动禁用的关键词
AutoDisablePolicy|enum:window,original|window|monitoring|disable after repeated errors within a window, or at the first one as new-api does|窗口内多次错误后禁用,或与 new-api 一样首次错误即禁用
AutoDisableErrors|int|3|monitoring|errors within the window that disable a channel|窗口内多少次错误后禁用|1|1000
AutoDisableWindowSeconds|int|300|monitoring|length of that window in seconds|该窗口的秒数|10|86400
AutoDisableErrorPercent|int|50|monitoring|and the least share of errors among the channel's calls|且错误至少占该渠道请求的百分比|0|100
AutoDisableKeepLast|bool|false|monitoring|never disable the last channel of a group and model|保留分组模型的最后一个渠道
AutoEnableProbe|bool|true|monitoring|probe disabled channels at growing intervals|按递增间隔探测被禁用的渠道
ChannelTestIntervalMinutes|int|0|monitoring|minutes between tests of all channels; 0 = off|自动测试全部渠道的间隔分钟,0 为关闭|0|525600
ChannelUpdateIntervalMinutes|int|0|monitoring|minutes between balance refreshes; 0 = off|自动更新余额的间隔分钟,0 为关闭|0|525600
ChannelBalanceAlert|float|0|monitoring|USD; alert below this balance; 0 = never|渠道余额低于该美元数时告警,0 为从不|0|1e12
ChannelAllowPrivate|bool|true|security|channels may have private addresses|允许渠道使用内网地址
LogConsumeEnabled|bool|true|logs|write a log row for every call|记录消费日志
LogClientIp|bool|false|logs|keep client addresses in log rows|日志中记录客户端地址
LogByKeyRowsMax|int|1000|logs|most rows of a log query by key|按密钥查询日志的最大行数|1|100000
LogRetentionDays|int|0|logs|days that log rows are kept; 0 = for ever|日志保留天数,0 为永久|0|36500
ErrorLogRetentionDays|int|30|logs|the same for error rows|错误日志保留天数|0|36500
HourlyDataRetentionDays|int|0|logs|days of hourly usage; older is merged into days; 0 = for ever|小时统计保留天数,0 为永久|0|36500
TaskRetentionDays|int|0|logs|days that tasks are kept; 0 = for ever|任务保留天数,0 为永久|0|36500
AuditRetentionDays|int|730|logs|days that the audit is kept|审计保留天数|30|36500
DeletedUserPurgeDays|int|30|logs|days after which a deleted user's personal fields are blanked|删除用户后清除个人信息的天数|0|36500
DataExportEnabled|bool|true|dashboard|show the usage dashboard|启用数据看板
DataExportInterval|int|5|dashboard|minutes between refreshes|数据看板更新间隔分钟|1|1440|hidden
DataExportDefaultTime|enum:hour,day,week|hour|dashboard|default grain of charts|图表默认粒度
DrawingEnabled|bool|true|general|show the drawing page|显示绘图页
TaskEnabled|bool|true|general|show the task page|显示任务页
Chats|json:list|@CHATS|general|chat clients with their link templates|聊天客户端链接模板
# drawing
MjNotifyEnabled|bool|false|drawing|give upstreams a call-back address|允许上游回调
MjAccountFilterEnabled|bool|false|drawing|pass accountFilter through|透传 accountFilter
MjModeClearEnabled|bool|false|drawing|strip speed flags from prompts|清除提示词中的模式参数
MjForwardUrlEnabled|bool|true|drawing|serve pictures through this gateway|图片地址替换为本站代理
MjActionCheckSuccessEnabled|bool|true|drawing|follow-up actions only on finished tasks|仅对已完成任务允许后续操作
MjImageSigned|bool|false|drawing|sign picture links|图片链接签名
TaskTimeoutMinutes|json:dict|{"mj":60,"suno":360}|drawing|minutes until a task expires, by platform|各平台任务超时分钟数
# sensitive words
CheckSensitiveEnabled|bool|true|sensitive|filter sensitive words|启用敏感词过滤
CheckSensitiveOnPromptEnabled|bool|true|sensitive|check prompts|检查提示词
SensitiveWords|lines|test_sensitive|sensitive|one word a line|敏感词,每行一个
StopOnSensitiveEnabled|bool|true|sensitive|no effect|无作用|hidden
StreamCacheQueueLength|int|0|sensitive|no effect|无作用|hidden
# prices
ModelRatio|prices|@model_ratio|prices|price of a prompt token by model; 1 = USD 2 per million|模型倍率
CompletionRatio|prices|@completion_ratio|prices|price of a completion token relative to a prompt token|补全倍率
ModelPrice|prices|@model_price|prices|USD per call|模型按次价格
CacheRatio|prices|@cache_ratio|prices|price of a cached prompt token relative to a fresh one|缓存读取倍率
CacheCreationRatio|prices|@cache_creation_ratio|prices|price of a prompt token written to the cache|缓存写入倍率
AudioRatio|prices|{}|prices|price of an audio token relative to a text token|音频倍率
AudioCompletionRatio|prices|{}|prices|price of spoken output relative to spoken input|音频补全倍率
ImageRatio|prices|{}|prices|price of a picture token relative to a text token|图片倍率
GroupRatio|prices|@group_ratio|prices|multiplier by group; also the list of groups|分组倍率
GroupGroupRatio|json:dict|{}|prices|user group to used group to ratio; wins over GroupRatio|用户分组使用其他分组时的倍率
UserUsableGroups|json:dict|@user_usable_groups|prices|groups that any user may choose|用户可选分组
AutoGroups|json:list|[]|prices|groups that the token group auto tries in turn; the first with a channel for the call prices it|auto 分组依次尝试的分组,首个有可用渠道者计价
PricingPublic|bool|true|prices|visitors may see the prices|价格页对访客公开
PriceTablesMerged|words||prices|tables to which built-in entries are added|合并内置条目的价格表
# rate limits
ModelRequestRateLimitEnabled|bool|false|limits|limit calls per user|启用用户模型请求速率限制
ModelRequestRateLimitDurationMinutes|int|1|limits|window in minutes|限制周期分钟|1|10080
ModelRequestRateLimitCount|int|0|limits|calls in it, failed ones included; 0 = no limit|周期内最多请求数,0 不限|0|1e9
ModelRequestRateLimitSuccessCount|int|1000|limits|successful calls in it|周期内最多成功请求数|0|1e9
ModelRequestRateLimitGroup|json:dict|{}|limits|group to [all, successful]|各分组的请求限制
ModelTokensPerMinuteLimit|int|0|limits|model tokens per user and minute; 0 = no limit|每用户每分钟令牌数,0 不限|0|1e12
ModelTokensPerMinuteGroup|json:dict|{}|limits|the same by group|各分组每分钟令牌数
# models
global.pass_through_request_enabled|bool|false|models|forward bodies unchanged|透传请求体
claude.model_headers_settings|json:dict|{}|models|headers replaced by model|Claude 模型请求头
claude.default_max_tokens|json:dict|{"default":8192}|models|max_tokens when the client gives none|Claude 默认最大长度
claude.thinking_adapter_enabled|bool|true|models|names ending -thinking switch thinking on|Claude 思考后缀适配
claude.thinking_adapter_budget_tokens_percentage|float|0.8|models|thinking budget as part of max_tokens|Claude 思考预算比例|0.1|1
gemini.safety_settings|json:dict|{"default":"OFF","HARM_CATEGORY_CIVIC_INTEGRITY":"BLOCK_NONE"}|models|safety thresholds|Gemini 安全设置
gemini.version_settings|json:dict|{"default":"v1beta","gemini-1.0-pro":"v1"}|models|API version by model|Gemini 版本设置
gemini.thinking_adapter_enabled|bool|false|models|names ending -thinking switch thinking on|Gemini 思考后缀适配
gemini.thinking_adapter_budget_tokens_percentage|float|0.6|models|thinking budget as part of the output limit|Gemini 思考预算比例|0.002|1
ReasoningPrefixes|words|o1,o3,o4,gpt-5|models|names of reasoning models begin so|推理模型名称前缀
ReturnRequestedModel|bool|false|models|answers name the model that was asked for|响应中返回请求的模型名
# relay
general_setting.ping_interval_enabled|bool|true|relay|send pings into silent streams|流式空闲时发送心跳
general_setting.ping_interval_seconds|int|15|relay|seconds of silence before a ping|心跳间隔秒数|1|3600
general_setting.ping_before_first_byte|bool|false|relay|ping before the upstream's first byte (ends retrying)|首字节前即发送心跳
RetryTierPolicy|enum:descend,exhaust|descend|relay|retries: descend = one priority lower each time, exhaust = a whole priority first|重试策略:descend 每次降一级优先级,exhaust 先用完同一优先级
AffinityEnabled|bool|false|relay|send a user's calls to the same channel while it is healthy|会话粘性
ForwardClientHeaders|words||relay|further client headers sent upstream|额外转发的客户端请求头
PassUpstreamHeaders|bool|false|relay|hand rate-limit headers of upstreams to clients|透传上游限流响应头
RealtimeAllowedOrigins|words|*|relay|origins that may open Realtime sessions|Realtime 允许的来源
BreakerEnabled|bool|true|relay|circuit breaker per channel and model|启用熔断
BreakerFailures|int|5|relay|failures in a row that open a breaker|连续失败多少次后熔断|1|1000
BreakerFailurePercent|int|50|relay|share of failed calls, of at least ten within half a minute, that opens it|半分钟内失败百分比达到多少后熔断|1|100
BreakerOpenSeconds|float|5|relay|seconds before an open breaker lets one call try; doubles each time|熔断后多少秒放行一次试探,逐次加倍|0.1|3600
BreakerOpenSecondsMax|float|30|relay|longest such pause in seconds|试探间隔上限秒数|0.1|3600
BreakerFirstByteSeconds|float|0|relay|a slower first byte counts as a failure; 0 = never|首字节超过该秒数视为失败,0 为从不|0|3600
CooldownSeconds|float|5|relay|pause after a 429 that names no time of its own|未给出等待时间的 429 之后的冷却秒数|0|300
ChannelChoice|enum:weighted,fastest,cheapest|weighted|relay|inside a priority: by weight alone, the faster one of two drawn, or the lowest cost first|同优先级内的选择方式:按权重、两者取快、成本优先
HedgeAfterMs|int|0|relay|ms of silence after which a second channel is asked as well; 0 = never|静默多少毫秒后同时请求第二个渠道,0 为从不|0|600000
HedgeModels|words||relay|models for which that is done; a name ending in * is a prefix|启用双渠道请求的模型,以 * 结尾为前缀
HedgePercent|int|10|relay|most calls of these models that may ask a second channel, per cent|最多多少百分比的请求可同时请求第二个渠道|1|100
# payment
PayAddress|url||payment|epay gateway|易支付网关地址
EpayId|str||payment|epay merchant|易支付商户号
EpayKey|str||payment|epay secret|易支付密钥|secret
CustomCallbackAddress|url||payment|base of payment call-backs; empty = ServerAddress|支付回调地址
Price|float|7.3|payment|CNY per USD|每美元价格(元)|0.000001|1e9
MinTopUp|int|1|payment|least USD of a top-up|最低充值美元数|1|1e9
TopupGroupRatio|prices|@topup_group_ratio|payment|price multiplier by user group|充值分组倍率
TopUpOrderMinutes|int|60|payment|minutes until a pending order expires|待支付订单有效分钟|5|10080
StripeApiSecret|str||payment|Stripe secret key|Stripe 密钥|secret
StripeWebhookSecret|str||payment|Stripe webhook secret|Stripe 回调密钥|secret
StripePriceId|str||payment|Stripe price of one unit|Stripe 价格编号
StripeCurrency|str|usd|payment|currency of Stripe orders|Stripe 货币
StripeUnitPrice|float|8|payment|price of one USD of quota there|Stripe 每美元额度价格|0.000001|1e9
StripeMinTopUp|int|1|payment|least USD of a Stripe top-up|Stripe 最低充值|1|1e9
# system
ServerAddress|url||system|public address, used in mails and call-backs|服务器地址
WorkerUrl|url||system|fetch worker for downloads|Worker 地址
WorkerValidKey|str||system|its secret|Worker 密钥|secret
SystemName|str|MedusaXD API|system|name of the site|系统名称
Logo|url||system|address of the logo|Logo 地址
Footer|str||system|HTML of the footer|页脚
Notice|str||system|notice|公告
About|str||system|about page|关于
HomePageContent|str||system|home page|首页内容
Theme|str|default|system|kept for compatibility|兼容保留|hidden
OneApiCompat|bool|false|system|bare paging of One API where no page_size is given; unset, it is on in a database of One API|兼容 One API 分页
LegacyTokenKeysInLists|bool|true|security|owners get full keys in lists|列表中返回完整令牌
AccessTokenHashOnUse|bool|false|security|hash adopted access tokens when first used|首次使用时哈希旧访问令牌
WebhookAllowHttp|bool|false|security|webhooks may be plain http|允许 http 回调
OidcAllowPrivate|bool|false|security|OIDC servers may have private addresses|允许内网 OIDC
TwoFactorRequiredForAdmins|bool|false|security|admins must use a second factor|管理员必须启用两步验证
PasskeyLoginEnabled|bool|true|login|sign in with passkeys|允许通行密钥登录
PasswordLoginEnabled|bool|true|login|sign in with a password|允许密码登录
PasswordRegisterEnabled|bool|true|login|register with a password|允许密码注册
RegisterEnabled|bool|true|login|new users may register|允许注册
EmailVerificationEnabled|bool|false|login|a code by e-mail is needed|注册需要邮箱验证
EmailDomainRestrictionEnabled|bool|false|login|only listed e-mail domains|限制邮箱域名
EmailDomainWhitelist|words|gmail.com,163.com,126.com,qq.com,outlook.com,hotmail.com,icloud.com,yahoo.com,foxmail.com|login|those domains|邮箱域名白名单
EmailAliasRestrictionEnabled|bool|false|login|refuse + and . in addresses|限制邮箱别名
SMTPServer|str||mail|server|SMTP 服务器
SMTPPort|int|587|mail|port|SMTP 端口|1|65535
SMTPAccount|str||mail|account|SMTP 账户
SMTPFrom|str||mail|sender; empty = account|发件人
SMTPToken|str||mail|password|SMTP 密码|secret
SMTPSSLEnabled|bool|false|mail|implicit TLS|启用 SSL
SMTPTLSMode|enum:auto,implicit,starttls,none|auto|mail|TLS: auto = implicit on port 465, else STARTTLS where it is offered|TLS 方式
GitHubOAuthEnabled|bool|false|login|sign in with GitHub|GitHub 登录
GitHubClientId|str||login|GitHub client id|GitHub 客户端编号
GitHubClientSecret|str||login|GitHub client secret|GitHub 客户端密钥|secret
discord.enabled|bool|false|login|sign in with Discord|Discord 登录
discord.client_id|str||login|Discord client id|Discord 客户端编号
discord.client_secret|str||login|Discord client secret|Discord 客户端密钥|secret
LinuxDOOAuthEnabled|bool|false|login|sign in with LinuxDO|LinuxDO 登录
LinuxDOClientId|str||login|LinuxDO client id|LinuxDO 客户端编号
LinuxDOClientSecret|str||login|LinuxDO client secret|LinuxDO 客户端密钥|secret
LinuxDOMinimumTrustLevel|int|0|login|least trust level|LinuxDO 最低信任等级|0|4
TelegramOAuthEnabled|bool|false|login|sign in with Telegram|Telegram 登录
TelegramBotToken|str||login|bot token|Telegram 机器人令牌|secret
TelegramBotName|str||login|bot name|Telegram 机器人名
WeChatAuthEnabled|bool|false|login|sign in with WeChat|微信登录
WeChatServerAddress|url||login|code server|微信服务器地址
WeChatServerToken|str||login|its secret|微信服务器令牌|secret
WeChatAccountQRCodeImageURL|url||login|picture of the QR code|微信公众号二维码
TurnstileCheckEnabled|bool|false|login|ask Turnstile|启用 Turnstile
TurnstileSiteKey|str||login|site key|Turnstile 站点密钥
TurnstileSecretKey|str||login|secret key|Turnstile 私钥|secret
oidc.enabled|bool|false|login|sign in with OIDC|OIDC 登录|alias=OidcEnabled
oidc.client_id|str||login|OIDC client id|OIDC 客户端编号|alias=OidcClientId
oidc.client_secret|str||login|OIDC client secret|OIDC 客户端密钥|secret|alias=OidcClientSecret
oidc.well_known|url||login|OIDC discovery document|OIDC 发现文档|alias=OidcWellKnown
oidc.authorization_endpoint|url||login|OIDC authorization endpoint|OIDC 授权端点|alias=OidcAuthorizationEndpoint
oidc.token_endpoint|url||login|OIDC token endpoint|OIDC 令牌端点|alias=OidcTokenEndpoint
oidc.user_info_endpoint|url||login|OIDC user-info endpoint|OIDC 用户信息端点|alias=OidcUserinfoEndpoint
FileUploadPermission|int|0|system|no effect|无作用|hidden
FileDownloadPermission|int|0|system|no effect|无作用|hidden
ImageUploadPermission|int|0|system|no effect|无作用|hidden
ImageDownloadPermission|int|0|system|no effect|无作用|hidden
ChatLink|url||system|one chat link, of One API|One API 的聊天链接|hidden
MessagePusherAddress|url||system|kept for One API|One API 保留|hidden
MessagePusherToken|str||system|kept for One API|One API 保留|hidden|secret
LarkClientId|str||login|app id of Lark; set: sign in with Lark|飞书应用编号,填写后启用飞书登录
LarkClientSecret|str||login|its secret|飞书应用密钥|secret
ApproximateTokenEnabled|bool|false|relay|count 0.38 token per byte instead of encoding, where a provider tells no usage|上游未返回用量时按每字节 0.38 令牌近似计数
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
        key, kind, default, group, english, chinese, *rest = line.split("|")
        more: dict[str, Any] = {}
        numbers = [item for item in rest if item[0].isdigit()]
        if numbers:
            more["lowest"], more["highest"] = float(numbers[0]), float(numbers[1])
        more["secret"], more["hidden"] = "secret" in rest, "hidden" in rest
        more["aliases"] = tuple(item[6:] for item in rest if item.startswith("alias="))
        kind, _, detail = kind.partition(":")
        if kind == "enum":
            more["choices"] = tuple(detail.split(","))
        elif kind == "json":
            kind = f"json:{detail}"
        text = texts[default[1:]] if default.startswith("@") else default
        specs[key] = OptionSpec(key, _field(key), kind, text, group, english, chinese, **more)
    return specs
