"""Tencent Cloud's TC3-HMAC-SHA256.

Source: Tencent Cloud API 3.0, "Signature v3" (cloud.tencent.com/document/api/213/30654), with its own example as test.
"""

import hashlib
import hmac
from datetime import UTC, datetime


def sign_tc3(
    body: bytes,
    *,
    secret_id: str,
    secret_key: str,
    service: str,
    host: str,
    action: str,
    now_s: int,
    content_type: str = "application/json",
) -> str:
    """Value of the Authorization header of a POST to `/`; the signed headers are content-type, host and x-tc-action."""
    signed = "content-type;host;x-tc-action"
    canonical = (
        f"POST\n/\n\ncontent-type:{content_type}\nhost:{host}\nx-tc-action:{action.lower()}\n\n{signed}\n"
        + hashlib.sha256(body).hexdigest()
    )
    date = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{now_s}\n{scope}\n" + hashlib.sha256(canonical.encode()).hexdigest()
    key = ("TC3" + secret_key).encode()
    for part in (date, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={signed}, Signature={signature}"
