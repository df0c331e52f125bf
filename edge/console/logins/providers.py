"""What third parties say about who signs in: where to send a browser, and from the code it brings back to a profile.

Sources: GitHub docs "authorizing OAuth apps"; Discord docs "OAuth2"; OpenID Connect Core; Linux DO Connect docs; Feishu
docs "authen v2". Proof keys (RFC 7636) and the exact redirect address go with every sign-in that began here; a predecessor's
front-end builds the first address itself, without them.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from edge.console.envelope import Refusal
from edge.console.logins.oidc import ask, check_address, check_id_token, find_endpoints
from edge.services import Services
from schema.options import Options

GITHUB, GITHUB_API = "https://github.com", "https://api.github.com"
LINUXDO = "https://connect.linux.do"
DISCORD, DISCORD_API = "https://discord.com", "https://discord.com/api"
LARK, LARK_PASSPORT = "https://open.feishu.cn", "https://passport.feishu.cn"


class Flow(Struct, frozen=True):
    """What this server keeps of a sign-in that it began; all '' when a front-end began it by itself."""

    verifier: str = ""
    nonce: str = ""


class Profile(Struct, frozen=True):
    """`id` never changes at the provider. `email` only when the provider says that it is verified."""

    id: str
    login: str = ""
    name: str = ""
    email: str = ""
    created_s: int = 0  # Unix s; 0 not told


class Provider(Struct, frozen=True):
    """`column` of users that holds the id; `start` makes the address that a browser is sent to, from state and flow."""

    name: str
    column: str
    is_enabled: Callable[[Options], bool]
    start: Callable[[Services, str, Flow], Awaitable[str]]
    fetch: Callable[[Services, str, Flow], Awaitable[Profile]]


def _callback(options: Options, name: str) -> str:
    """From the settings, never from the Host header."""
    return f"{options.server_address.rstrip('/')}/oauth/{name}"


def _address(base: str, flow: Flow, **query: str) -> str:
    challenge = urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
    return f"{base}{'&' if '?' in base else '?'}{urlencode({**query, **proof})}"


def _proof(options: Options, name: str, flow: Flow) -> dict[str, str]:
    """Of the second step, where the first one had them."""
    return {"code_verifier": flow.verifier, "redirect_uri": _callback(options, name)} if flow.verifier else {}


def _token(answer: dict[str, Any]) -> dict[str, str]:
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise Refusal("provider_refused", "The provider refused this sign-in; please start again.")
    return {"Authorization": f"Bearer {token}"}


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


async def _start_github(services: Services, state: str, flow: Flow) -> str:
    options = services.snapshots.current.options
    return _address(
        f"{GITHUB}/login/oauth/authorize", flow, client_id=options.github_client_id, state=state, scope="user:email",
        redirect_uri=_callback(options, "github"),
    )  # fmt: skip


async def _github(services: Services, code: str, flow: Flow) -> Profile:
    options = services.snapshots.current.options
    form = {"client_id": options.github_client_id, "client_secret": options.github_client_secret, "code": code}
    form |= _proof(options, "github", flow)
    bearer = _token(await ask(services, "POST", f"{GITHUB}/login/oauth/access_token", json=form))
    told = await ask(services, "GET", f"{GITHUB_API}/user", headers=bearer)
    created = _text(told, "created_at")
    return Profile(
        _text(told, "id"), _text(told, "login"), _text(told, "name") or "GitHub User",
        await _github_email(services, bearer),
        int(datetime.fromisoformat(created).timestamp()) if created else 0,
    )  # fmt: skip


async def _github_email(services: Services, bearer: dict[str, str]) -> str:
    """The primary verified address; '' when there is none or GitHub does not tell."""
    try:
        told = await ask(services, "GET", f"{GITHUB_API}/user/emails", headers=bearer, kind=list[dict[str, Any]])
    except Refusal:
        return ""
    return next((_text(one, "email") for one in told if one.get("primary") is True and one.get("verified") is True), "")


async def _start_linuxdo(services: Services, state: str, flow: Flow) -> str:
    options = services.snapshots.current.options
    return _address(
        f"{LINUXDO}/oauth2/authorize", flow, response_type="code", client_id=options.linuxdo_client_id, state=state,
        redirect_uri=_callback(options, "linuxdo"),
    )  # fmt: skip


async def _linuxdo(services: Services, code: str, flow: Flow) -> Profile:
    options = services.snapshots.current.options
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "linuxdo")}
    form |= _proof(options, "linuxdo", flow)
    account = (options.linuxdo_client_id, options.linuxdo_client_secret)
    bearer = _token(await ask(services, "POST", f"{LINUXDO}/oauth2/token", data=form, auth=account))
    told = await ask(services, "GET", f"{LINUXDO}/api/user", headers=bearer)
    if told.get("active") is False or told.get("silenced") is True:
        raise Refusal("provider_account_refused", "This Linux DO account is not active.")
    level = told.get("trust_level")
    if (level if isinstance(level, int) else 0) < options.linuxdo_minimum_trust_level:
        raise Refusal("provider_account_refused", "The trust level of this Linux DO account is too low.")
    return Profile(_text(told, "id"), _text(told, "username"), _text(told, "name"))


async def _start_discord(services: Services, state: str, flow: Flow) -> str:
    options = services.snapshots.current.options
    return _address(
        f"{DISCORD}/oauth2/authorize", flow, response_type="code", client_id=options.discord_client_id, state=state,
        scope="identify email", redirect_uri=_callback(options, "discord"),
    )  # fmt: skip


async def _discord(services: Services, code: str, flow: Flow) -> Profile:
    options = services.snapshots.current.options
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "discord"),
        "client_id": options.discord_client_id, "client_secret": options.discord_client_secret,
        **_proof(options, "discord", flow),
    }  # fmt: skip
    bearer = _token(await ask(services, "POST", f"{DISCORD_API}/oauth2/token", data=form))
    told = await ask(services, "GET", f"{DISCORD_API}/users/@me", headers=bearer)
    email = _text(told, "email") if told.get("verified") is True else ""
    return Profile(_text(told, "id"), _text(told, "username"), _text(told, "global_name"), email)


async def _start_oidc(services: Services, state: str, flow: Flow) -> str:
    options, where = services.snapshots.current.options, await find_endpoints(services)
    return _address(
        where.authorize, flow, client_id=options.oidc_client_id, redirect_uri=_callback(options, "oidc"),
        response_type="code", scope="openid profile email", state=state, nonce=flow.nonce,
    )  # fmt: skip


async def _oidc(services: Services, code: str, flow: Flow) -> Profile:
    options, where = services.snapshots.current.options, await find_endpoints(services)
    for address in (where.token, where.user_info):
        await check_address(services, address)
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "oidc"),
        "client_id": options.oidc_client_id, "client_secret": options.oidc_client_secret,
        **_proof(options, "oidc", flow),
    }  # fmt: skip
    answer = await ask(services, "POST", where.token, data=form)
    bearer = _token(answer)
    subject = await check_id_token(services, where, answer.get("id_token"), flow.nonce)
    told = await ask(services, "GET", where.user_info, headers=bearer)
    if _text(told, "sub") != subject:
        raise Refusal("id_token_wrong", "The provider's answers are about two different accounts.")
    email = _text(told, "email") if told.get("email_verified") is True else ""
    return Profile(subject, _text(told, "preferred_username"), _text(told, "name"), email)


async def _start_lark(services: Services, state: str, flow: Flow) -> str:
    options = services.snapshots.current.options
    query = {"redirect_uri": _callback(options, "lark"), "app_id": options.lark_client_id, "state": state}
    return f"{LARK}/open-apis/authen/v1/index?{urlencode(query)}"


async def _lark(services: Services, code: str, flow: Flow) -> Profile:
    options = services.snapshots.current.options
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "lark"),
        "client_id": options.lark_client_id, "client_secret": options.lark_client_secret,
    }  # fmt: skip
    bearer = _token(await ask(services, "POST", f"{LARK}/open-apis/authen/v2/oauth/token", json=form))
    told = await ask(services, "GET", f"{LARK_PASSPORT}/suite/passport/oauth/userinfo", headers=bearer)
    return Profile(_text(told, "open_id"), "", _text(told, "name") or "Lark User")


PROVIDERS = {
    one.name: one
    for one in (
        Provider("github", "github_numeric_id", lambda options: options.github_o_auth_enabled, _start_github, _github),
        Provider("linuxdo", "linux_do_id", lambda options: options.linux_doo_auth_enabled, _start_linuxdo, _linuxdo),
        Provider("discord", "discord_id", lambda options: options.discord_enabled, _start_discord, _discord),
        Provider("oidc", "oidc_id", lambda options: options.oidc_enabled, _start_oidc, _oidc),
        Provider("lark", "lark_id", lambda options: bool(options.lark_client_id), _start_lark, _lark),
    )
}
