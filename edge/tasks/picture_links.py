"""Links to pictures through this gateway, signed where the operator asks for that (option MjImageSigned)."""

import hashlib
import hmac
from urllib.parse import parse_qs, quote

from schema.config import Config
from schema.options import Options

LINK_S = 7 * 86_400  # a signed link is good for a week


def picture_link(options: Options, config: Config, task_id: str, now_s: float) -> str:
    """'' when the gateway does not know its own address."""
    address = options.server_address.rstrip("/")
    if not address:
        return ""
    link = f"{address}/mj/image/{quote(task_id, safe='')}"
    if not options.mj_image_signed:
        return link
    expiry = (
        int(now_s) // 3600 + 1
    ) * 3600 + LINK_S  # the same link for an hour, so that browsers may keep the picture
    return f"{link}?e={expiry}&s={_sign(config, task_id, expiry)}"


def may_see(options: Options, config: Config, task_id: str, query: str, now_s: float) -> bool:
    """Unsigned links are good unless the operator asks for signed ones."""
    if not options.mj_image_signed:
        return True
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    expiry = given.get("e", "")
    if not expiry.isdecimal() or len(expiry) > 12 or int(expiry) < now_s:
        return False
    return hmac.compare_digest(given.get("s", "").encode(), _sign(config, task_id, int(expiry)).encode())


def _sign(config: Config, task_id: str, expiry: int) -> str:
    secret = config.crypto_secret or config.session_secret
    return hmac.new(secret.encode(), f"picture:{task_id}:{expiry}".encode(), hashlib.sha256).hexdigest()[:32]
