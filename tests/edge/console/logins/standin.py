"""A third party on loopback, over real HTTP: answers by path, keeps what it was asked."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from joserfc import jws
from joserfc.jwk import OctKey, RSAKey


class StandIn:
    """`answers`: path -> JSON, or a function of the request that makes it; `asked`: (path, headers, form or JSON)."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {}
        self.asked: list[tuple[str, dict[str, str], dict]] = []
        self.address = ""

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
        form = json.loads(body) if body.startswith("{") else dict(parse_qsl(body))
        path = head[0].split(" ")[1]
        self.asked.append((path, headers, form))
        answer = self.answers.get(path.partition("?")[0])
        if callable(answer):
            answer = answer(path, headers, form)
        data = json.dumps(answer).encode()
        status = b"200 OK" if answer is not None else b"404 Not Found"
        kind = b"content-type: application/json\r\nconnection: close\r\n"
        writer.write(b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, kind, len(data), data))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def stand_in():
    third = StandIn()
    async with await asyncio.start_server(third.serve, "127.0.0.1", 0) as server:
        third.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield third


class Issuer:
    """An OpenID provider: discovery, keys, and id tokens with claims of the test's choice."""

    def __init__(self, third: StandIn) -> None:
        self.third, self.key = third, RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.profile = {"sub": "s-1", "name": "Ann", "email": "ann@example.com", "email_verified": True}
        self.nonce, self.token = "", None
        base = third.address
        third.answers |= {
            "/.well-known/openid-configuration": {
                "issuer": base, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token",
                "userinfo_endpoint": f"{base}/me", "jwks_uri": f"{base}/keys",
            },
            "/keys": {"keys": [self.key.as_dict(private=False)]},
            "/token": lambda *_: {"access_token": "t0k", "id_token": self.token or self.sign()},
            "/me": lambda _, headers, __: self.profile if headers.get("authorization") == "Bearer t0k" else None,
        }  # fmt: skip

    def claims(self, **other) -> dict:
        now = int(time.time())
        right = {
            "iss": self.third.address, "aud": "client", "sub": "s-1", "exp": now + 300, "iat": now, "nonce": self.nonce,
        }  # fmt: skip
        return {**right, **other}

    def sign(self, alg="RS256", key=None, **other) -> str:
        text = json.dumps(self.claims(**other))
        return jws.serialize_compact({"alg": alg, "kid": "k1"}, text, key or self.key, algorithms=[alg])


def unsigned(claims: dict) -> str:
    """An id token with the algorithm `none`."""
    from webauthn.helpers import bytes_to_base64url

    parts = ({"alg": "none"}, claims)
    return ".".join(bytes_to_base64url(json.dumps(part).encode()) for part in parts) + "."


def shared(issuer: Issuer, secret: str) -> str:
    """An id token signed with the client's secret."""
    return issuer.sign("HS256", OctKey.import_key(secret))
