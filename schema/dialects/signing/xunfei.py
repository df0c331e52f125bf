"""Xunfei's signed WebSocket address: HMAC-SHA256 over host, date and request line.

Source: xfyun.cn/doc/spark, "General URL authentication".
"""

import base64
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote, urlencode, urlsplit


def sign_url(url: str, *, api_key: str, api_secret: str, now_s: int) -> str:
    """`wss://host/path` with host, date and authorization in its query."""
    parts = urlsplit(url)
    date = format_datetime(datetime.fromtimestamp(now_s, UTC), usegmt=True)
    text = f"host: {parts.netloc}\ndate: {date}\nGET {parts.path} HTTP/1.1"
    mark = base64.b64encode(hmac.digest(api_secret.encode(), text.encode(), "sha256")).decode()
    origin = f'api_key="{api_key}", algorithm="hmac-sha256", headers="host date request-line", signature="{mark}"'
    query = {"authorization": base64.b64encode(origin.encode()).decode(), "date": date, "host": parts.netloc}
    return f"{url}?{urlencode(query, quote_via=quote)}"
