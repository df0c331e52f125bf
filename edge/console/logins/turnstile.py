"""Cloudflare Turnstile: a person is there. Asked once per guarded request. Source: Turnstile docs, "server-side validation"."""

import httpx
import msgspec
from blacksheep import Request
from msgspec import Struct

from edge.console.calls import client_address, query
from edge.console.envelope import Refusal
from edge.services import Services

VERIFY_URL = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
TIMEOUT_S = 5.0


class _Verdict(Struct):
    success: bool = False


async def check(services: Services, request: Request) -> None:
    """Raises Refusal: no token, a wrong one, or 503 when Cloudflare cannot be asked. Does nothing while it is switched off."""
    options = services.snapshots.current.options
    if not options.turnstile_check_enabled:
        return
    token = query(request, "turnstile")
    if not token:
        raise Refusal("captcha_missing", "Turnstile token 为空")
    form = {
        "secret": options.turnstile_secret_key,
        "response": token,
        "remoteip": client_address(request, services.config),
    }
    try:
        answer = await services.http.post(VERIFY_URL, data=form, timeout=TIMEOUT_S)
        verdict = msgspec.json.decode(answer.content, type=_Verdict)
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        raise Refusal("captcha_unavailable", "The captcha service cannot be asked.", status=503) from error
    if not verdict.success:
        raise Refusal("captcha_wrong", "Turnstile 校验失败,请刷新重试!")
