"""What every shown setting is called and what it does, in both languages: for the settings page and docs/options.md."""

from msgspec import Struct


class OptionText(Struct, frozen=True):
    """`label` names the setting, `help` says what it does, in whole sentences."""

    label: str
    help: str


# A block of three lines each: key; English label | help; Chinese label | help.
_BLOCKS = """
TopUpLink
Link for buying codes | Shown on the wallet page beside the field for redemption codes. Empty: no link.
兑换码购买链接 | 显示在钱包页兑换码输入框旁。留空则不显示。

general_setting.docs_link
Link to the documentation | Shown in the header of every page, opened in a new tab. Empty: no link.
文档链接 | 显示在每页顶部,在新标签页打开。留空则不显示。

QuotaPerUnit
Quota of 1 US dollar | How many units of quota are worth 1 USD. All balances and prices are kept in units: a change alters what every balance is worth. 500 000 gives prices six decimals.
1 美元对应的额度 | 1 美元等于多少额度单位。所有余额和价格都以单位保存,修改后每个余额的价值都会改变。500 000 可使价格精确到六位小数。

DisplayInCurrencyEnabled
Show money instead of units | Balances and prices appear in US dollars; amounts of top-ups are then dollars as well.
以货币显示额度 | 余额和价格以美元显示,充值数量也按美元计算。

DisplayTokenStatEnabled
Billing endpoints report the token | Clients that ask for their balance get that of the token they use; off: that of the account.
账单接口按令牌统计 | 客户端查询余额时返回所用令牌的余额;关闭后返回账户余额。

DefaultCollapseSidebar
Side bar begins collapsed | For visitors who have not opened or closed it themselves yet.
默认折叠侧边栏 | 对尚未自行展开或折叠过侧边栏的访客生效。

DemoSiteEnabled
Demonstration site | Marks the site as a demonstration in its header and texts.
演示站点 | 在页眉和文字中标明这是演示站点。

SelfUseModeEnabled
Self-use mode | Models without a price are charged at ratio 37.5 instead of being refused, and pages for selling are hidden.
自用模式 | 未定价的模型按倍率 37.5 计费而不是拒绝,并隐藏与售卖有关的页面。

DrawingEnabled
Show the Midjourney page | Shows or hides the page; the routes work either way.
显示绘图页 | 显示或隐藏页面,接口不受影响。

TaskEnabled
Show the task page | Shows or hides the page; the routes work either way.
显示任务页 | 显示或隐藏页面,接口不受影响。

Chats
Chat clients | Clients that users can open with one of their tokens, in the order in which they are offered.
聊天客户端 | 用户可以用自己的令牌打开的客户端,按此顺序显示。

RetryTimes
Further attempts | How many more channels are tried when one fails before the first byte reached the client. 0: none.
重试次数 | 首字节到达客户端之前失败时,最多再尝试几个渠道。0 表示不重试。

RetryTierPolicy
Order of attempts | descend: every further attempt goes one priority lower, as in new-api. exhaust: all channels of a priority come first.
重试顺序 | descend:每次重试降一级优先级,与 new-api 相同。exhaust:先用完同一优先级的渠道。

ChannelChoice
Choice inside a priority | weighted: by weight alone. fastest: two are drawn by weight, the faster one serves. cheapest: the lowest cost first.
同优先级内的选择 | weighted:只按权重。fastest:按权重抽取两个,较快者服务。cheapest:成本最低者优先。

AffinityEnabled
Keep a user on one channel | Calls of a user go to the same channel while it is healthy, so that prompt caches of providers are hit.
用户固定渠道 | 渠道健康时同一用户的请求使用同一渠道,便于命中上游的提示缓存。

HedgeAfterMs
Second channel after | So long a silence before the first byte asks a second channel as well; the first to answer serves, the other is given up. 0: never.
多久后请求第二个渠道 | 首字节前静默这么久后同时请求第二个渠道,先回答者服务,另一个被放弃。0 表示从不。

HedgeModels
Models with a second channel | Names of models; one that ends in * stands for all that begin so.
启用双渠道的模型 | 模型名称;以 * 结尾表示前缀匹配。

HedgePercent
Most calls with a second channel | Share of these models' calls that may ask a second channel; it bounds the extra cost.
双渠道请求的最大比例 | 这些模型的请求中最多有多少可以使用第二个渠道,用于限制额外成本。

BreakerEnabled
Circuit breaker | Stops sending calls to a channel and model that fails, for a short while. The channel itself stays enabled.
熔断 | 渠道的某个模型持续失败时暂停向其发送请求,渠道本身保持启用。

BreakerFailures
Failures in a row that open it | Counted by channel and model.
连续失败次数 | 按渠道和模型统计,达到后熔断。

BreakerFailurePercent
Share of failures that opens it | Of at least ten calls within half a minute.
失败比例 | 半分钟内至少十次请求中的失败比例,达到后熔断。

BreakerOpenSeconds
First pause | How long an open breaker waits before it lets one call try again. Doubles after each failed try.
首次暂停 | 熔断后多久放行一次试探请求,每次失败后加倍。

BreakerOpenSecondsMax
Longest pause | The doubling of the pause ends here.
最长暂停 | 暂停时间加倍的上限。

BreakerFirstByteSeconds
Slow first byte is a failure | A first byte later than this counts as a failure of the channel. 0: never.
首字节过慢视为失败 | 首字节晚于此时间视为渠道失败。0 表示从不。

CooldownSeconds
Pause after a rate limit | After status 429 of an upstream that names no time of its own.
限流后的冷却 | 上游返回 429 且未给出等待时间时的冷却时长。

general_setting.ping_interval_enabled
Pings in silent streams | Comments that keep proxies from closing a stream while a model thinks.
流式心跳 | 模型思考期间发送注释行,防止代理关闭连接。

general_setting.ping_interval_seconds
Silence before a ping | Measured from the last byte that was sent to the client.
心跳间隔 | 从最后一次向客户端发送数据起计算。

general_setting.ping_before_first_byte
Ping before the first byte | Also while the upstream has sent nothing yet. A ping ends retrying: the answer has then begun.
首字节前发送心跳 | 上游尚未返回内容时也发送。心跳一旦发出即视为已开始回答,不再重试。

ForwardClientHeaders
Client headers sent upstream | Names of further request headers that are passed on; never those with credentials.
转发的客户端请求头 | 额外转发给上游的请求头名称,不会转发含凭据的请求头。

PassUpstreamHeaders
Hand on rate-limit headers | Clients see the rate-limit headers of the upstream.
透传上游限流响应头 | 客户端可以看到上游的限流响应头。

RealtimeAllowedOrigins
Origins of Realtime sessions | Web origins whose pages may open Realtime sessions; * is all of them.
Realtime 允许的来源 | 允许打开 Realtime 会话的网页来源;* 表示全部。

ApproximateTokenEnabled
Approximate counting | Counts 0.38 token for each byte instead of encoding, where a provider tells no usage. Faster, less exact.
近似计数 | 上游未返回用量时按每字节 0.38 令牌计数而不编码,更快但不精确。

QuotaForNewUser
Quota of a new user | Credited when an account is registered.
新用户额度 | 注册账户时赠送。

QuotaForInviter
Reward of the inviter | Credited to whoever invited a new user.
邀请人奖励 | 奖励给邀请新用户的人。

QuotaForInvitee
Gift to the invited | Credited to a new user who was invited, on top of the quota of a new user.
被邀请人奖励 | 额外赠送给受邀注册的新用户。

PreConsumedQuota
Tokens held without a maximum | When a client names no maximum length, so many completion tokens are held before the call.
未给出最大长度时预扣 | 客户端未给出最大长度时,请求前按这么多补全令牌预扣。

BalanceExhaustedPolicy
When the balance runs out in mid-stream | cut: the stream ends where the money does. finish: it may finish and the balance goes below zero.
流式途中余额耗尽 | cut:余额用完即截断。finish:允许完成,余额可为负。

QuotaRemindThreshold
Reminder below | Users whose balance falls below this are told, unless they chose a threshold of their own.
额度提醒阈值 | 余额低于此值时提醒用户,用户自行设置的阈值优先。

ChannelDisableThreshold
Slowest test | A test of a channel that takes longer disables it, where automatic disabling is on. 0: never.
测试最长用时 | 启用自动禁用时,渠道测试超过此时间即禁用。0 表示从不。

AutomaticDisableChannelEnabled
Disable failing channels | Channels whose upstream refuses for good (bad key, no balance) are disabled by themselves.
自动禁用渠道 | 上游永久拒绝(密钥无效、余额不足)时自动禁用渠道。

AutomaticEnableChannelEnabled
Enable them again | A channel that was disabled automatically is enabled when a test of it passes.
自动恢复渠道 | 被自动禁用的渠道在测试通过后重新启用。

AutomaticDisableKeywords
Words that disable | An upstream's error message that contains one of these lines disables the channel. Case does not matter.
触发禁用的关键词 | 上游错误信息包含其中任一行时禁用渠道,不区分大小写。

AutoDisablePolicy
How soon | window: after repeated errors within the window. original: at the first one, as new-api does.
禁用时机 | window:窗口内多次错误后。original:与 new-api 一样首次错误即禁用。

AutoDisableErrors
Errors that disable | Within the window, for the policy "window".
错误次数 | window 策略下窗口内达到此次数后禁用。

AutoDisableWindowSeconds
Length of the window | Errors older than this are forgotten.
窗口长度 | 更早的错误不再计入。

AutoDisableErrorPercent
Least share of errors | And this share of the channel's calls within the window must have failed.
最低错误比例 | 且窗口内该渠道请求失败的比例至少达到此值。

AutoDisableKeepLast
Keep the last channel | Never disables the only channel left for a group and model.
保留最后一个渠道 | 不禁用某分组某模型唯一剩下的渠道。

AutoEnableProbe
Probe disabled channels | Automatically disabled channels are tested at growing intervals.
探测被禁用的渠道 | 按递增的间隔测试被自动禁用的渠道。

ChannelTestIntervalMinutes
Test all channels every | 0: only by hand.
自动测试间隔 | 每隔多久测试全部渠道。0 表示只手动测试。

ChannelUpdateIntervalMinutes
Refresh balances every | 0: only by hand.
自动更新余额间隔 | 每隔多久更新全部渠道余额。0 表示只手动更新。

ChannelBalanceAlert
Alert below a balance of | Root is told when the balance of a channel falls below this. 0: never.
余额告警 | 渠道余额低于此值时通知 root。0 表示从不。

LogConsumeEnabled
Log every call | A row for every charged call; the dashboard needs it too. Charging does not depend on it.
记录消费日志 | 每次计费请求写一行日志,数据看板也依赖它。计费不受影响。

LogClientIp
Keep client addresses | Log rows hold the address of the caller.
记录客户端地址 | 日志中保存调用者的地址。

LogByKeyRowsMax
Rows of a query by key | The most rows that a log query with a relay key returns.
按密钥查询的行数 | 用令牌密钥查询日志时最多返回的行数。

LogRetentionDays
Keep log rows for | Older rows are deleted (or archived, where an archive folder is set). 0: for ever.
日志保留 | 更早的日志会被删除(设置了归档目录时先归档)。0 表示永久。

ErrorLogRetentionDays
Keep error rows for | Rows of failed calls. 0: for ever.
错误日志保留 | 失败请求的日志。0 表示永久。

HourlyDataRetentionDays
Keep hourly figures for | Older figures of the dashboard are merged into days. 0: for ever.
小时统计保留 | 更早的看板数据合并为按天统计。0 表示永久。

TaskRetentionDays
Keep tasks for | Finished Midjourney and other tasks. 0: for ever.
任务保留 | 已结束的绘图和其他任务。0 表示永久。

AuditRetentionDays
Keep the audit for | Who changed what, on the page Operations.
审计保留 | 运维页中的变更记录。

DeletedUserPurgeDays
Blank deleted users after | Personal fields of a deleted account are blanked then; its figures stay. 0: at once.
清除已删除用户信息 | 删除账户后多久清除其个人信息,统计数据保留。0 表示立即。

DataExportEnabled
Usage dashboard | Shows the dashboard to users.
数据看板 | 向用户显示数据看板。

DataExportDefaultTime
Grain of charts at first | By hour, day or week.
图表默认粒度 | hour 按小时,day 按天,week 按周。

MjNotifyEnabled
Give a call-back address | Midjourney upstreams report progress to this gateway instead of being asked for it only.
允许上游回调 | Midjourney 上游主动报告进度,而不只是被轮询。

MjAccountFilterEnabled
Pass accountFilter through | Clients may choose among the accounts of the upstream.
透传 accountFilter | 客户端可以选择上游的账户。

MjModeClearEnabled
Strip speed flags | Removes --fast, --relax and --turbo from prompts.
清除速度参数 | 从提示词中去掉 --fast、--relax 和 --turbo。

MjForwardUrlEnabled
Serve pictures from here | Addresses of pictures point to this gateway instead of the upstream's store.
图片由本站代理 | 图片地址指向本站而不是上游存储。

MjActionCheckSuccessEnabled
Actions need a finished task | Upscaling and variations are refused while the first task has not succeeded.
后续操作需任务完成 | 首个任务未成功时拒绝放大和变换等操作。

MjImageSigned
Signed picture links | Links to pictures hold a signature, so that they cannot be guessed.
图片链接签名 | 图片链接带签名,防止被猜测。

TaskTimeoutMinutes
Tasks expire after | By platform: mj, suno, video. A task that is not done by then has failed and is refunded.
任务超时 | 按平台:mj、suno、video。届时未完成的任务视为失败并退款。

CheckSensitiveEnabled
Filter words | The switch for the whole filter.
启用敏感词过滤 | 过滤功能的总开关。

CheckSensitiveOnPromptEnabled
Check prompts | Calls whose prompt holds one of the words are refused before they go upstream.
检查提示词 | 提示词包含敏感词时在发往上游前拒绝。

SensitiveWords
Blocked words | One a line; case does not matter.
敏感词 | 每行一个,不区分大小写。

ModelRatio
Model ratio | Price of a prompt token by model: 1 is 2 USD for a million tokens.
模型倍率 | 各模型提示令牌的价格:1 表示每百万令牌 2 美元。

CompletionRatio
Completion ratio | Price of a completion token as a multiple of a prompt token.
补全倍率 | 补全令牌相对提示令牌的倍数。

ModelPrice
Price per call | US dollars for one call; wins over the ratios of the model.
按次价格 | 每次请求的美元价格,优先于该模型的倍率。

CacheRatio
Cache-read ratio | Price of a prompt token read from the provider's cache, as a multiple of a fresh one.
缓存读取倍率 | 命中上游缓存的提示令牌相对普通提示令牌的倍数。

CacheCreationRatio
Cache-write ratio | Price of a prompt token written to the provider's cache, as a multiple of a fresh one.
缓存写入倍率 | 写入上游缓存的提示令牌相对普通提示令牌的倍数。

AudioRatio
Audio ratio | Price of an audio token as a multiple of a text token.
音频倍率 | 音频令牌相对文本令牌的倍数。

AudioCompletionRatio
Audio completion ratio | Price of spoken output as a multiple of spoken input.
音频补全倍率 | 音频输出相对音频输入的倍数。

ImageRatio
Picture ratio | Price of a picture token as a multiple of a text token.
图片倍率 | 图片令牌相对文本令牌的倍数。

GroupRatio
Group ratio | Every price is multiplied by the ratio of the group. This is also the list of all groups.
分组倍率 | 所有价格乘以分组的倍率;同时也是全部分组的列表。

GroupGroupRatio
Ratio of a group in another | When users of one group use another group, this ratio wins over that of the used group.
跨分组倍率 | 某分组的用户使用其他分组时,以此倍率代替所用分组的倍率。

UserUsableGroups
Groups to choose from | Groups that any user may choose for a token, with the description that is shown. The own group is always among them.
可选分组 | 任何用户都可以为令牌选择的分组及其说明;用户自己的分组始终可选。

AutoGroups
Groups of "auto" | A token of the group auto tries these in turn; the first with a channel for the call serves and prices it.
auto 分组的顺序 | auto 分组的令牌依次尝试这些分组,首个有可用渠道者服务并计价。

PricingPublic
Prices are public | Visitors who are not signed in see the page of prices.
价格公开 | 未登录的访客可以查看价格页。

PriceTablesMerged
Tables with built-in entries | Built-in prices, also future ones, stand under your own in these tables. A value of -1 removes one. Others hold exactly what you stored.
合并内置价格的表 | 这些表在你的价格之下保留内置价格(包括将来新增的),-1 表示移除。其他表只含你保存的内容。

ModelRequestRateLimitEnabled
Limit calls of a user | Counts calls for each user; refused ones get status 429.
限制用户请求 | 按用户统计请求次数,超出返回 429。

ModelRequestRateLimitDurationMinutes
Window | Length of time in which calls are counted.
统计周期 | 统计请求次数的时间长度。

ModelRequestRateLimitCount
Calls within it | Failed ones count. 0: no limit.
周期内请求数 | 失败的也计入。0 表示不限。

ModelRequestRateLimitSuccessCount
Successful calls within it | Only those that were answered. 0: no limit.
周期内成功请求数 | 只计成功的请求。0 表示不限。

ModelRequestRateLimitGroup
Limits of groups | Groups with limits of their own: all calls and successful calls within the window.
各分组限制 | 为分组单独设置周期内的总请求数和成功请求数。

ModelTokensPerMinuteLimit
Tokens per minute | Model tokens of one user within a minute. 0: no limit.
每分钟令牌数 | 每个用户每分钟的模型令牌数。0 表示不限。

ModelTokensPerMinuteGroup
Tokens per minute of groups | Groups with a limit of their own.
各分组每分钟令牌数 | 为分组单独设置限制。

global.pass_through_request_enabled
Forward bodies unchanged | Text calls go upstream exactly as the client sent them: no conversion, mapping or override.
透传请求体 | 文本请求原样发往上游:不转换、不映射、不覆盖参数。

claude.model_headers_settings
Headers by model | Request headers that replace those of the gateway, for the model name that the client asked for.
按模型替换请求头 | 针对客户端请求的模型名,替换网关发送的请求头。

claude.default_max_tokens
Default max_tokens | Claude demands a maximum; this one is sent when the client gives none. "default" is for all other models.
默认 max_tokens | Claude 要求给出最大长度,客户端未给出时使用此值。default 用于其他模型。

claude.thinking_adapter_enabled
Suffix -thinking | Names of Claude models that end in -thinking switch thinking on.
-thinking 后缀 | Claude 模型名以 -thinking 结尾时开启思考。

claude.thinking_adapter_budget_tokens_percentage
Thinking budget | As part of max_tokens; 0.8 is four fifths.
思考预算 | 占 max_tokens 的比例,0.8 即八成。

gemini.safety_settings
Safety thresholds | Threshold by category of harm; "default" is for all other categories.
安全阈值 | 各类别的阈值;default 用于其他类别。

gemini.version_settings
API version | Version in the address by model; "default" is for all other models.
API 版本 | 各模型地址中的版本;default 用于其他模型。

gemini.thinking_adapter_enabled
Suffix -thinking | Names of Gemini models that end in -thinking or -nothinking switch thinking on or off.
-thinking 后缀 | Gemini 模型名以 -thinking 或 -nothinking 结尾时开启或关闭思考。

gemini.thinking_adapter_budget_tokens_percentage
Thinking budget | As part of the largest output; 0.6 is three fifths.
思考预算 | 占最大输出的比例,0.6 即六成。

ReasoningPrefixes
Reasoning models | Names that begin so are treated as OpenAI reasoning models: other parameters, longer silences.
推理模型前缀 | 以此开头的名称按 OpenAI 推理模型处理:参数不同,允许更长的静默。

ReturnRequestedModel
Answer with the requested name | Answers name the model that the client asked for, not the one that a mapping chose.
返回请求的模型名 | 响应中给出客户端请求的模型名,而不是映射后的名称。

PayAddress
Address of the gateway | Base address of the epay merchant service. Online payment is offered when address, merchant and key are set.
网关地址 | 易支付服务的地址。地址、商户号和密钥都填写后才提供在线充值。

EpayId
Merchant | Your number at the epay service.
商户号 | 你在易支付的商户编号。

EpayKey
Key | Signs orders and proves call-backs.
密钥 | 用于签名订单并验证回调。

CustomCallbackAddress
Base of call-backs | Address under which the payment service reaches this gateway. Empty: the server address.
回调地址 | 支付服务访问本站的地址。留空则使用服务器地址。

Price
Price of 1 US dollar | What a user pays for 1 USD of quota.
1 美元的价格 | 用户购买 1 美元额度所付的金额。

MinTopUp
Least top-up | The smallest amount that can be bought at once.
最低充值 | 一次最少购买的数量。

TopupGroupRatio
Price by group | What users of a group pay, as a multiple of the price.
分组充值倍率 | 各分组用户支付价格的倍数。

TopUpOrderMinutes
Orders expire after | An order that is not paid by then is closed; a later payment is still credited.
订单有效期 | 届时未支付的订单关闭;之后到账的付款仍会入账。

StripeApiSecret
Secret key | Begins with sk_ or rk_. Stripe is offered when both secrets are set.
API 密钥 | 以 sk_ 或 rk_ 开头。两个密钥都填写后才提供 Stripe 支付。

StripeWebhookSecret
Webhook secret | Begins with whsec_; proves call-backs of Stripe.
Webhook 密钥 | 以 whsec_ 开头,用于验证 Stripe 回调。

StripePriceId
Price of one unit | Id of a price at Stripe (price_…); empty: the amount is computed here.
价格编号 | Stripe 的价格编号(price_…);留空则在本站计算金额。

StripeCurrency
Currency | Three letters, such as usd or eur.
货币 | 三个字母,如 usd 或 eur。

StripeUnitPrice
Price of 1 US dollar | What a user pays for 1 USD of quota, in that currency.
1 美元的价格 | 用户购买 1 美元额度所付的金额(以该货币计)。

StripeMinTopUp
Least top-up | The smallest amount that can be bought at once.
最低充值 | 一次最少购买的数量。

ServerAddress
Public address | How the world reaches this gateway, without a slash at the end. Links in mails, call-backs and picture addresses are made of it.
服务器地址 | 外界访问本站的地址,末尾不带斜杠。用于邮件链接、回调和图片地址。

WorkerUrl
Fetch worker | Files that users name by address, and webhooks, are fetched through this worker. Empty: directly.
Worker 地址 | 用户给出的文件地址和 webhook 通过它访问。留空则直接访问。

WorkerValidKey
Key of the worker | Sent with every request to the fetch worker.
Worker 密钥 | 每次请求 Worker 时发送。

SystemName
Name of the site | In the header, in page titles and in mails.
系统名称 | 显示在页眉、网页标题和邮件中。

Logo
Logo | Address of a picture. Empty: the built-in one.
Logo | 图片地址。留空则使用内置图标。

Footer
Footer | HTML at the bottom of public pages; scripts are removed.
页脚 | 公开页面底部的 HTML,脚本会被去除。

Notice
Notice | Markdown or HTML, shown to everybody once after each change.
公告 | Markdown 或 HTML,每次修改后向所有人显示一次。

About
About page | Markdown, HTML, or an address that begins with https:// and is shown in a frame.
关于页 | Markdown、HTML,或以 https:// 开头的地址(在框架中显示)。

HomePageContent
Home page | Markdown, HTML, or an address that begins with https:// and is shown in a frame. Empty: the built-in page.
首页 | Markdown、HTML,或以 https:// 开头的地址(在框架中显示)。留空则使用内置首页。

OneApiCompat
Paging of One API | Lists answer as One API does where a client names no page size. Without a value it is on in a database adopted from One API.
One API 分页 | 客户端未给出分页大小时按 One API 的形式返回列表。未设置时,从 One API 接管的数据库默认开启。

ChannelAllowPrivate
Private addresses of channels | Base addresses of channels may lie in private networks.
允许渠道使用内网地址 | 渠道地址可以位于内网。

LegacyTokenKeysInLists
Full keys in lists | Owners get whole keys in lists of tokens, as in new-api. Off: masked, and shown on request.
列表中返回完整令牌 | 与 new-api 一样,令牌列表向所有者返回完整密钥。关闭后只显示掩码,需要时再查看。

AccessTokenHashOnUse
Hash adopted access tokens | Access tokens adopted from new-api are kept as hashes once they were used. There is no way back to new-api then.
哈希旧访问令牌 | 从 new-api 接管的访问令牌在使用后只保存哈希,之后无法再切回 new-api。

WebhookAllowHttp
Webhooks over plain http | Users may name webhooks that begin with http://.
允许 http webhook | 用户可以使用 http:// 开头的 webhook。

OidcAllowPrivate
Private OIDC servers | The addresses of the OIDC server may lie in private networks.
允许内网 OIDC | OIDC 服务器地址可以位于内网。

TwoFactorRequiredForAdmins
Second factor for admins | Admins and root must set up a second factor before they can do anything else.
管理员必须两步验证 | 管理员和 root 必须先启用两步验证才能进行其他操作。

PasskeyLoginEnabled
Passkeys | Users may sign in with a passkey instead of a password.
通行密钥登录 | 用户可以用通行密钥代替密码登录。

PasswordLoginEnabled
Sign in with a password | Off: only passkeys and other sites. Make sure that root can still sign in.
密码登录 | 关闭后只能用通行密钥或第三方登录,请确保 root 仍能登录。

PasswordRegisterEnabled
Register with a password | Off: new accounts only by way of another site.
密码注册 | 关闭后只能通过第三方注册新账户。

RegisterEnabled
New users may register | Off: nobody can make an account, by no way.
允许注册 | 关闭后任何方式都不能注册新账户。

EmailVerificationEnabled
Verify e-mail addresses | Registration asks for a code that is sent by mail.
邮箱验证 | 注册时需要填写邮件中的验证码。

EmailDomainRestrictionEnabled
Only certain e-mail domains | Registration refuses addresses of other domains.
限制邮箱域名 | 注册时拒绝其他域名的邮箱。

EmailDomainWhitelist
Allowed domains | What stands behind the @.
允许的域名 | 邮箱 @ 之后的部分。

EmailAliasRestrictionEnabled
Refuse aliases | Addresses with + or . before the @ are refused: they lead to a mailbox that may have an account already.
限制邮箱别名 | 拒绝 @ 之前含 + 或 . 的邮箱,避免同一邮箱重复注册。

SMTPServer
Server | Name of the mail server. Empty: no mail is sent.
服务器 | 邮件服务器名称。留空则不发送邮件。

SMTPPort
Port | 587 for STARTTLS, 465 for TLS.
端口 | STARTTLS 用 587,TLS 用 465。

SMTPAccount
Account | Name for signing in at the server.
账户 | 登录服务器的用户名。

SMTPFrom
Sender | Address in the From line. Empty: the account.
发件人 | 邮件的发件地址。留空则使用账户。

SMTPToken
Password | For signing in at the server.
密码 | 登录服务器的密码。

SMTPSSLEnabled
TLS from the first byte | As new-api names it; the mode below is the finer choice.
启用 SSL | new-api 的设置;下面的 TLS 方式可以更细致地选择。

SMTPTLSMode
TLS mode | auto: implicit on port 465, else STARTTLS where it is offered. none: unencrypted.
TLS 方式 | auto:465 端口使用隐式 TLS,其他端口在支持时使用 STARTTLS。none:不加密。

GitHubOAuthEnabled
Sign in with GitHub | Needs the client id and secret of an OAuth app.
GitHub 登录 | 需要 OAuth 应用的客户端编号和密钥。

GitHubClientId
Client id | Of the OAuth app at GitHub.
客户端编号 | GitHub OAuth 应用的编号。

GitHubClientSecret
Client secret | Of the OAuth app at GitHub.
客户端密钥 | GitHub OAuth 应用的密钥。

discord.enabled
Sign in with Discord | Needs the client id and secret of an application.
Discord 登录 | 需要应用的客户端编号和密钥。

discord.client_id
Client id | Of the application at Discord.
客户端编号 | Discord 应用的编号。

discord.client_secret
Client secret | Of the application at Discord.
客户端密钥 | Discord 应用的密钥。

LinuxDOOAuthEnabled
Sign in with Linux DO | Needs the client id and secret of an application.
Linux DO 登录 | 需要应用的客户端编号和密钥。

LinuxDOClientId
Client id | Of the application at connect.linux.do.
客户端编号 | connect.linux.do 应用的编号。

LinuxDOClientSecret
Client secret | Of the application at connect.linux.do.
客户端密钥 | connect.linux.do 应用的密钥。

LinuxDOMinimumTrustLevel
Least trust level | Members below this level cannot sign in; 0 to 4.
最低信任等级 | 低于此等级的成员不能登录,0 到 4。

TelegramOAuthEnabled
Sign in with Telegram | Needs the bot's name and token, and its domain set at BotFather.
Telegram 登录 | 需要机器人名和令牌,并在 BotFather 设置域名。

TelegramBotToken
Bot token | Proves what Telegram sends.
机器人令牌 | 用于验证 Telegram 发送的数据。

TelegramBotName
Bot name | Without the @.
机器人名 | 不带 @。

WeChatAuthEnabled
Sign in with WeChat | Needs a code server for the official account.
微信登录 | 需要公众号验证码服务器。

WeChatServerAddress
Code server | Address of the service that turns codes of the official account into accounts.
验证码服务器 | 将公众号验证码换成账户的服务地址。

WeChatServerToken
Token of the code server | Sent with every question to it.
服务器令牌 | 每次请求验证码服务器时发送。

WeChatAccountQRCodeImageURL
QR code | Address of the picture that leads to the official account.
公众号二维码 | 公众号二维码图片的地址。

TurnstileCheckEnabled
Ask Turnstile | Sign-in, registration and mails need a proof of Cloudflare Turnstile that somebody is there.
启用 Turnstile | 登录、注册和发送邮件需要通过 Cloudflare Turnstile 人机验证。

TurnstileSiteKey
Site key | Public key of the widget.
站点密钥 | 组件的公开密钥。

TurnstileSecretKey
Secret key | Proves the answers of the widget.
私钥 | 用于验证组件的结果。

oidc.enabled
Sign in with OIDC | Any OpenID Connect server. The redirect address there is <server address>/oauth/oidc.
OIDC 登录 | 任意 OpenID Connect 服务器,回调地址为 <服务器地址>/oauth/oidc。

oidc.client_id
Client id | As the OIDC server knows this gateway.
客户端编号 | 本站在 OIDC 服务器的编号。

oidc.client_secret
Client secret | Belongs to the client id.
客户端密钥 | 与客户端编号对应的密钥。

oidc.well_known
Discovery document | Address that ends in /.well-known/openid-configuration; it fills the three endpoints where they are empty.
发现文档 | 以 /.well-known/openid-configuration 结尾的地址,三个端点留空时由它得出。

oidc.authorization_endpoint
Authorization endpoint | Where browsers are sent to sign in.
授权端点 | 浏览器跳转登录的地址。

oidc.token_endpoint
Token endpoint | Where codes are exchanged for tokens.
令牌端点 | 用授权码换取令牌的地址。

oidc.user_info_endpoint
User-info endpoint | Where names and e-mail addresses are read.
用户信息端点 | 读取用户名和邮箱的地址。

LarkClientId
App id | Of an app at Lark; once it is set, Lark is offered for signing in.
应用编号 | 飞书应用的编号,填写后即提供飞书登录。

LarkClientSecret
App secret | Of that app.
应用密钥 | 飞书应用的密钥。
"""


def _read_blocks() -> dict[str, tuple[OptionText, OptionText]]:
    texts: dict[str, tuple[OptionText, OptionText]] = {}
    for block in _BLOCKS.strip().split("\n\n"):
        key, *lines = block.splitlines()
        english, chinese = (OptionText(*map(str.strip, line.split("|", 1))) for line in lines)
        texts[key] = (english, chinese)
    return texts


TEXTS = _read_blocks()  # key -> (English, Chinese)
