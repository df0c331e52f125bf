"""AWS Signature Version 4, by botocore, at a given time.

Source: AWS General Reference, "Create a signed AWS API request"; botocore.auth. The canonical path encodes the path that was
already encoded once more (`%3A` -> `%253A`), as for every service but S3.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any


@cache
def _signer_class() -> type[Any]:
    """botocore is imported with the first call that needs it: it costs 60 ms and 10 MB."""
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]

    class SignerAt(SigV4Auth):  # type: ignore[misc]  # botocore has no types
        def sign_at(self, request: Any, now_s: int) -> None:
            """add_auth with the time as an argument."""
            request.context["timestamp"] = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
            self._modify_request_before_signing(request)
            canonical = self.canonical_request(request)
            signature = self.signature(self.string_to_sign(request, canonical), request)
            self._inject_signature_to_request(request, signature)

    return SignerAt


def sign_sigv4(
    method: str,
    url: str,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    *,
    access_key: str,
    secret_key: str,
    session_token: str = "",
    region: str,
    service: str,
    now_s: int,
) -> tuple[tuple[str, str], ...]:
    """`headers` with X-Amz-Date, Authorization and, for temporary keys, X-Amz-Security-Token."""
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from botocore.credentials import Credentials  # type: ignore[import-untyped]

    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    credentials = Credentials(access_key, secret_key, session_token or None)
    _signer_class()(credentials, service, region).sign_at(request, now_s)
    return tuple((name, str(value)) for name, value in request.headers.items())
