"""What third parties say about who signs in: one function a provider, from the code of the redirect to a profile.

Sources: GitHub docs "authorizing OAuth apps"; Discord docs "OAuth2"; OpenID Connect Core; Linux DO Connect docs.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from edge.console.envelope import Refusal
from edge.services import Services
from schema.addresses import UrlRefused, UrlRules, read_target
from schema.options import Options

GITHUB, GITHUB_API = "https://github.com", "https://api.github.com"
LINUXDO = "https://connect.linux.do"
DISCORD = "https://discord.com/api"
TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1 << 20


class Profile(Struct, frozen=True):
    """`id` never changes at the provider. `email` only when the provider says that it is verified."""

    id: str
    login: str = ""
    name: str = ""
    email: str = ""
    created_s: int = 0  # Unix s; 0 not told


class Provider(Struct, frozen=True):
    """`column` of users that holds the id."""

    name: str
    column: str
    is_enabled: Callable[[Options], bool]
    fetch: Callable[[Services, str], Awaitable[Profile]]


def _callback(options: Options, name: str) -> str:
    """From the settings, never from the Host header."""
    return f"{options.server_address.rstrip('/')}/oauth/{name}"


async def _ask(services: Services, method: str, url: str, **more: Any) -> dict[str, Any]:
    """Raises Refusal when the provider cannot be asked or refuses."""
    headers = {"Accept": "application/json", "User-Agent": "medusaxd-api", **more.pop("headers", {})}
    try:
        answer = await services.http.request(method, url, headers=headers, timeout=TIMEOUT_S, **more)
    except httpx.HTTPError as error:
        raise Refusal("provider_unreachable", "The provider cannot be reached; please try again.") from error
    if answer.status_code != 200 or len(answer.content) > ANSWER_BYTES_MAX:
        raise Refusal("provider_refused", "The provider refused this sign-in; please start again.")
    try:
        return msgspec.json.decode(answer.content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal("provider_refused", "The provider answered something else than JSON.") from error


def _token(answer: dict[str, Any]) -> dict[str, str]:
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise Refusal("provider_refused", "The provider refused this sign-in; please start again.")
    return {"Authorization": f"Bearer {token}"}


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


async def _github(services: Services, code: str) -> Profile:
    options = services.snapshots.current.options
    form = {"client_id": options.github_client_id, "client_secret": options.github_client_secret, "code": code}
    bearer = _token(await _ask(services, "POST", f"{GITHUB}/login/oauth/access_token", json=form))
    told = await _ask(services, "GET", f"{GITHUB_API}/user", headers=bearer)
    created = _text(told, "created_at")
    return Profile(
        _text(told, "id"), _text(told, "login"), _text(told, "name") or "GitHub User", _text(told, "email"),
        int(datetime.fromisoformat(created).timestamp()) if created else 0,
    )  # fmt: skip


async def _linuxdo(services: Services, code: str) -> Profile:
    options = services.snapshots.current.options
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "linuxdo")}
    account = (options.linuxdo_client_id, options.linuxdo_client_secret)
    bearer = _token(await _ask(services, "POST", f"{LINUXDO}/oauth2/token", data=form, auth=account))
    told = await _ask(services, "GET", f"{LINUXDO}/api/user", headers=bearer)
    if told.get("active") is False or told.get("silenced") is True:
        raise Refusal("provider_account_refused", "This Linux DO account is not active.")
    level = told.get("trust_level")
    if (level if isinstance(level, int) else 0) < options.linuxdo_minimum_trust_level:
        raise Refusal("provider_account_refused", "The trust level of this Linux DO account is too low.")
    return Profile(_text(told, "id"), _text(told, "username"), _text(told, "name"))


async def _discord(services: Services, code: str) -> Profile:
    options = services.snapshots.current.options
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "discord"),
        "client_id": options.discord_client_id, "client_secret": options.discord_client_secret,
    }  # fmt: skip
    bearer = _token(await _ask(services, "POST", f"{DISCORD}/oauth2/token", data=form))
    told = await _ask(services, "GET", f"{DISCORD}/users/@me", headers=bearer)
    email = _text(told, "email") if told.get("verified") is True else ""
    return Profile(_text(told, "id"), _text(told, "username"), _text(told, "global_name"), email)


async def _oidc(services: Services, code: str) -> Profile:
    options = services.snapshots.current.options
    rules = UrlRules(http=options.oidc_allow_private, private=options.oidc_allow_private)
    try:
        if not options.oidc_allow_private:
            for address in (options.oidc_token_endpoint, options.oidc_user_info_endpoint):
                read_target(address, rules)
    except UrlRefused as error:
        raise Refusal("provider_address_refused", f"The OIDC addresses in the settings: {error}.") from error
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": _callback(options, "oidc"),
        "client_id": options.oidc_client_id, "client_secret": options.oidc_client_secret,
    }  # fmt: skip
    bearer = _token(await _ask(services, "POST", options.oidc_token_endpoint, data=form))
    told = await _ask(services, "GET", options.oidc_user_info_endpoint, headers=bearer)
    email = _text(told, "email") if told.get("email_verified") is True else ""
    return Profile(_text(told, "sub"), _text(told, "preferred_username"), _text(told, "name"), email)


PROVIDERS = {
    one.name: one
    for one in (
        Provider("github", "github_numeric_id", lambda options: options.github_o_auth_enabled, _github),
        Provider("linuxdo", "linux_do_id", lambda options: options.linux_doo_auth_enabled, _linuxdo),
        Provider("discord", "discord_id", lambda options: options.discord_enabled, _discord),
        Provider("oidc", "oidc_id", lambda options: options.oidc_enabled, _oidc),
    )
}
