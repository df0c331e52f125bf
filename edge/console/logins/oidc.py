"""OpenID Connect: where the provider is (discovery), and whether its id token is about this sign-in.

Source: OpenID Connect Core 1.0 §3.1.3.7, Discovery 1.0 §4.3. With only the three end points in the settings, as the
predecessors had it, there are no keys to check a signature with: the token came over TLS from the token end point
itself, which Core §3.1.3.7 item 6 allows, and its claims are checked all the same.
"""

import time
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from edge.console.envelope import Refusal
from edge.services import Services
from schema.addresses import ANY_PORT, UrlRefused, UrlRules, check_addresses, read_target
from schema.guarded_fetch import resolve

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1 << 20
CACHED_S = 3600
CLOCK_S = 120  # how far clocks may differ
ALGORITHMS = ["RS256", "ES256", "PS256"]  # never `none`, never a shared secret
_cache: dict[str, tuple[float, dict[str, Any]]] = {}  # address -> (monotonic time until which it counts, document)


class Endpoints(Struct, frozen=True):
    """`issuer` and `keys` are '' without discovery."""

    authorize: str
    token: str
    user_info: str
    issuer: str = ""
    keys: str = ""


async def ask(services: Services, method: str, url: str, *, kind: Any = dict[str, Any], **more: Any) -> Any:
    """JSON of a provider; no redirect is followed. Raises Refusal when it cannot be asked or refuses."""
    headers = {"Accept": "application/json", "User-Agent": "medusaxd-api", **more.pop("headers", {})}
    data = bytearray()
    try:
        async with services.http.stream(method, url, headers=headers, timeout=TIMEOUT_S, **more) as answer:
            status, media = answer.status_code, answer.headers.get("content-type", "")
            async for chunk in answer.aiter_bytes():
                data += chunk
                if len(data) > ANSWER_BYTES_MAX:
                    break
    except httpx.HTTPError as error:
        raise Refusal("provider_unreachable", "The provider cannot be reached; please try again.") from error
    if status != 200 or len(data) > ANSWER_BYTES_MAX or "json" not in media:
        raise Refusal("provider_refused", "The provider refused this sign-in; please start again.")
    try:
        return msgspec.json.decode(bytes(data), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal("provider_refused", "The provider answered something else than JSON.") from error


async def check_address(services: Services, url: str) -> None:
    """Raises Refusal for an address of the settings that is not public https, unless the operator allows it."""
    private = services.snapshots.current.options.oidc_allow_private
    try:
        if private:
            rules = UrlRules(http=True, private=True, ports=ANY_PORT)
        else:
            rules = UrlRules()
        target = read_target(url, rules)
        check_addresses(await resolve(target.host, target.port), rules)
    except UrlRefused as error:
        raise Refusal("provider_address_refused", f"The OIDC addresses in the settings: {error}.") from error


async def _document(services: Services, url: str) -> dict[str, Any]:
    held = _cache.get(url)
    if held is not None and held[0] > time.monotonic():
        return held[1]
    await check_address(services, url)
    told: dict[str, Any] = await ask(services, "GET", url)
    _cache[url] = (time.monotonic() + CACHED_S, told)
    return told


async def find_endpoints(services: Services) -> Endpoints:
    """From the discovery document where its address is set, else from the settings. Raises Refusal."""
    options = services.snapshots.current.options
    typed = (options.oidc_authorization_endpoint, options.oidc_token_endpoint, options.oidc_user_info_endpoint)
    if not options.oidc_well_known:
        return Endpoints(*typed)
    told = await _document(services, options.oidc_well_known)
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "issuer", "jwks_uri")
    values = [told.get(name) for name in names]
    found = [value if isinstance(value, str) else "" for value in values]
    if options.oidc_well_known != f"{found[3].rstrip('/')}/.well-known/openid-configuration":
        raise Refusal("provider_address_refused", "The OIDC discovery document is of another issuer.")
    return Endpoints(typed[0] or found[0], typed[1] or found[1], typed[2] or found[2], found[3], found[4])


async def check_id_token(services: Services, where: Endpoints, text: object, nonce: str) -> str:
    """The subject of an id token that belongs to this sign-in. Raises Refusal."""
    from joserfc.errors import JoseError  # loaded here, as in `_verify`: 2 MB that only OpenID Connect needs

    refused = Refusal("id_token_wrong", "The provider's id token is not valid for this sign-in.")
    if not isinstance(text, str):
        raise Refusal("id_token_missing", "The provider sent no id token.")
    try:
        claims = await _verify(services, where, text)
    except (JoseError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise refused from error
    client, now = services.snapshots.current.options.oidc_client_id, time.time()
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    in_time = _number(claims, "exp") > now - CLOCK_S and abs(_number(claims, "iat") - now) <= CLOCK_S
    right = (
        (not where.issuer or claims.get("iss") == where.issuer)
        and client in audiences
        and (claims.get("azp") == client if len(audiences) > 1 or "azp" in claims else True)
        and in_time
        and (not nonce or claims.get("nonce") == nonce)
    )
    subject = claims.get("sub")
    if not right or not isinstance(subject, str) or not subject:
        raise refused
    return subject


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


async def _verify(services: Services, where: Endpoints, text: str) -> dict[str, Any]:
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    if not where.keys:
        return msgspec.json.decode(jws.extract_compact(text.encode()).payload, type=dict[str, Any])
    keys = await _document(services, where.keys)
    try:
        checked = jws.deserialize_compact(text, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
    except (JoseError, ValueError):
        _cache.pop(where.keys, None)  # the provider may have changed its keys
        keys = await _document(services, where.keys)
        checked = jws.deserialize_compact(text, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
    return msgspec.json.decode(checked.payload, type=dict[str, Any])
