"""A notice as an HTTP call: the body, and signatures over its very bytes. Source: operations rules, "webhook"."""

import hashlib
import hmac

import msgspec

from schema.notices.texts import Notice


def write_body(notice: Notice, *, notice_id: str, user_id: int, at_s: int) -> bytes:
    """`values` is left out when empty."""
    body = {
        "type": notice.kind,
        "title": notice.title,
        "content": notice.content,
        "content_template": notice.template,
        **({"values": list(notice.values)} if notice.values else {}),
        "timestamp": at_s,
        "id": notice_id,
        "user_id": user_id,
    }
    return msgspec.json.encode(body)


def sign(body: bytes, secret: str, *, notice_id: str, at_s: int) -> dict[str, str]:
    """Headers. The first signature is the predecessors'; the second covers the time as well, against replay."""
    headers = {
        "Content-Type": "application/json",
        "X-Webhook-Id": notice_id,
        "X-Webhook-Timestamp": str(at_s),
    }
    if secret:
        headers["X-Webhook-Signature"] = _hmac(secret, body)
        headers["X-Webhook-Signature-V2"] = "v1=" + _hmac(secret, f"{at_s}.".encode() + body)
    return headers


def _hmac(secret: str, data: bytes) -> str:
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
