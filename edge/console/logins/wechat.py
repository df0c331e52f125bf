"""WeChat: a code that a follower of the operator's account gets, and the companion server that knows whose it is.

Source: sign-in rules, "WeChat" (songquanpeng/wechat-server's one route).
"""

import re
from urllib.parse import quote

from blacksheep import Request, Response

from edge.console import limits
from edge.console.access import check_same_origin
from edge.console.calls import client_address, header, query, reply
from edge.console.envelope import Refusal
from edge.console.logins import turnstile
from edge.console.logins.entry import SecondStepAsked
from edge.console.logins.oauth import bind_account, sign_in, use_state
from edge.console.logins.oidc import ask
from edge.console.logins.providers import Profile
from edge.console.objects import UserView
from edge.console.routes import Actor, Role, Route
from edge.services import Services

FAILURES_MAX, WINDOW_S = 5, 600  # per address
_CODE = re.compile(r"[0-9A-Za-z]{4,32}")
WRONG = "验证码错误或已过期"


async def _read(services: Services, request: Request) -> Profile:
    """Whose code it is. Raises Refusal; an address that guessed five times waits."""
    options = services.snapshots.current.options
    if not options.wechat_auth_enabled:
        raise Refusal("provider_disabled", "This way of signing in is switched off.")
    name = f"wechat:{limits.address_name(client_address(request, services.config))}"
    await limits.check_below(services.redis, name, most=FAILURES_MAX)
    code, account = query(request, "code"), ""
    if _CODE.fullmatch(code):
        url = f"{options.wechat_server_address.rstrip('/')}/api/wechat/user?code={quote(code)}"
        told = await ask(services, "GET", url, headers={"Authorization": options.wechat_server_token})
        account = told.get("data") if told.get("success") is True else ""
    if not isinstance(account, str) or not account:
        await limits.count(services.redis, name, window_s=WINDOW_S)
        raise Refusal("code_wrong", WRONG)
    return Profile(account, "", "WeChat User")


async def log_in(services: Services, request: Request, actor: Actor) -> Response:
    """Sign in or register by a code. A state, or the browser's own word, proves that no other site began this."""
    check_same_origin(services, request)
    aff = query(request, "aff")[:32]
    if query(request, "state"):
        aff = (await use_state(services, request, Actor(), "wechat")).aff or aff
    elif header(request, b"sec-fetch-site") != "same-origin":
        raise Refusal("state_wrong", "state is empty or not same", status=403)
    await turnstile.check(services, request)
    return await sign_in(services, request, "wechat", "wechat_id", await _read(services, request), aff)


async def bind(services: Services, request: Request, actor: Actor) -> Response:
    """Bind a WeChat account to the own one, by a code."""
    await bind_account(services, request, actor, "wechat", "wechat_id", await _read(services, request))
    return reply()


ROUTES = (
    Route(
        "GET", "/api/oauth/wechat", Role.VISITOR, UserView, log_in,
        query=("code", "state", "aff", "turnstile"), or_returns=SecondStepAsked, critical=True,
    ),
    Route("GET", "/api/oauth/wechat/bind", Role.USER, None, bind, query=("code",), critical=True, fresh=True),
    Route("POST", "/api/oauth/wechat/bind", Role.USER, None, bind, query=("code",), critical=True, fresh=True),
)  # fmt: skip
