"""Notices arrive once by the way each account chose, are limited, and are tried again when the receiver is down."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from arq import Retry
from sqlalchemy import insert, update

from schema.addresses import UrlRules
from schema.config import read_config
from schema.guarded_fetch import GuardedFetcher
from schema.ledger.keys import Keys
from schema.notices.mail import MailFailed, MailServer, read_server, write_mail
from schema.notices.texts import write_notice
from schema.notices.webhook import sign
from schema.options import read_options
from schema.secrets import Vault
from schema.tables import OptionRow, User
from tests.schema.ledger.books import PARTITIONS, Books
from workers.context import OptionStore, Worker
from workers.jobs import notify as job

FACTS = {"quota": 900, "threshold": 1000}


class Post:
    """A mail server or a webhook receiver; keeps what arrives. `down`: refuses."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.heads: list[str] = []
        self.down = False
        self.port = 0

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                writer.write(b"354 go\r\n")
                self.got.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            if word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            writer.write(b"451 later\r\n" if self.down and word == b"MAIL" else b"250 ok\r\n")
        writer.close()

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
        body = (await reader.readexactly(length)).decode()
        if not self.down:
            self.heads.append(head)
            self.got.append(body)
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % (b"503 Later" if self.down else b"200 OK"))
        writer.close()


@asynccontextmanager
async def _open(kind: str) -> AsyncIterator[Post]:
    post = Post()
    async with await asyncio.start_server(getattr(post, kind), "127.0.0.1", 0) as server:
        post.port = server.sockets[0].getsockname()[1]
        yield post


async def _worker(books: Books, **options: str) -> Worker:
    config = read_config({"SESSION_SECRET": "s" * 32, "NOTIFY_LIMIT_COUNT": "2"})
    vault = Vault("s" * 32)
    rows = {"SMTPServer": "127.0.0.1", "SMTPFrom": "gateway@example.com", "WebhookAllowHttp": "true", **options}
    async with books.engine.begin() as db:
        values = [{"key": k, "value": vault.seal(v) if k == "SMTPToken" else v} for k, v in rows.items()]
        await db.execute(insert(OptionRow), values)
        setting = json.dumps({"notify_type": "webhook", "webhook_url": "http://127.0.0.1/", "webhook_secret": "whsec"})
        await db.execute(
            insert(User), [{"id": 1, "username": "ann", "quota": 0, "aff_code": "a", "email": "ann@example.com", "setting": ""},
                           {"id": 2, "username": "bob", "quota": 0, "aff_code": "b", "email": "", "setting": setting}]
        )  # fmt: skip
    return Worker(
        config=config, engine=books.engine, log_engine=books.engine, redis=books.redis, execute=books.execute,
        keys=Keys(PARTITIONS), options=OptionStore(books.engine, books.execute, vault), node="n",
    )  # fmt: skip


def _ctx(worker: Worker, job_id: str, attempt: int = 1) -> dict[str, Any]:
    return {"worker": worker, "job_id": job_id, "job_try": attempt}


async def test_a_mail_arrives_once(books: Books):
    async with _open("smtp") as post:
        worker = await _worker(books, SMTPPort=str(post.port))
        assert await job.notify(_ctx(worker, "j1"), 1, "quota_exceed", FACTS) == "sent"
        assert await job.notify(_ctx(worker, "j1", 2), 1, "quota_exceed", FACTS) == "sent before"
        assert len(post.got) == 1
        assert "To: ann@example.com" in post.got[0]
        assert "Content-Type: text/html" in post.got[0]


async def test_a_worker_that_died_while_sending_tells_nobody_twice(books: Books):
    async with _open("smtp") as post:
        worker = await _worker(books, SMTPPort=str(post.port))
        await books.redis.set("mx:notice:j1", "sending")  # as a killed worker leaves it
        assert await job.notify(_ctx(worker, "j1", 2), 1, "quota_exceed", FACTS) == "sent before"
        assert post.got == []


async def test_a_server_that_is_down_is_asked_again_with_growing_pauses(books: Books):
    async with _open("smtp") as post:
        worker = await _worker(books, SMTPPort=str(post.port))
        post.down = True
        pauses = []
        for attempt in range(1, job.TRIES_MAX):
            with pytest.raises(Retry) as raised:
                await job.notify(_ctx(worker, "j1", attempt), 1, "quota_exceed", FACTS)
            pauses.append(raised.value.defer_score)
        assert pauses == [second * 1000 for second in job.PAUSES_S]
        post.down = False
        assert await job.notify(_ctx(worker, "j1", job.TRIES_MAX), 1, "quota_exceed", FACTS) == "sent"
        assert len(post.got) == 1


async def test_what_happened_to_an_account_is_told_by_mail_also_to_the_former_address(books: Books):
    async with _open("smtp") as post:
        worker = await _worker(books, SMTPPort=str(post.port))
        facts = {"what": "password", "ip": "203.0.113.9", "agent": "Browser {{value}}\r\nBcc: x@example.com"}
        assert await job.notify_security(_ctx(worker, "s1"), 1, facts) == "sent"
        assert await job.notify_security(_ctx(worker, "s1", 2), 1, facts) == "sent before"
        email = {**facts, "what": "email"}
        assert await job.notify_security(_ctx(worker, "s2"), 1, email, "old@example.com") == "sent"
        assert await job.notify_security(_ctx(worker, "s3"), 2, facts) == "no address", "never by webhook"
        assert "To: ann@example.com" in post.got[0] and "To: old@example.com" in post.got[1]
        assert not any("\nBcc:" in one.split("\r\n\r\n")[0] for one in post.got), "no header of the caller's making"
        results = [await job.notify_security(_ctx(worker, f"t{n}"), 1, facts) for n in range(19)]
        assert results.count("sent") == 18 and results[-1] == "suppressed", "twenty in an hour"


async def test_a_fetch_worker_carries_webhooks_without_the_secret(books: Books):
    async with _open("http") as post:
        setting = json.dumps({"notify_type": "webhook", "webhook_url": "https://a.example/", "webhook_secret": "whsec"})
        worker = await _worker(books, WorkerUrl=f"http://127.0.0.1:{post.port}/", WorkerValidKey="valid")
        async with books.engine.begin() as db:
            await db.execute(update(User).where(User.id == 2).values(setting=setting))
        assert await job.notify(_ctx(worker, "w1"), 2, "quota_exceed", FACTS) == "sent"
        sent = json.loads(post.got[0])
        assert (sent["url"], sent["key"], sent["method"]) == ("https://a.example/", "valid", "POST")
        assert sent["headers"]["X-Webhook-Signature"] == hmac.new(b"whsec", sent["body"].encode(), "sha256").hexdigest()
        assert "whsec" not in post.got[0] and "whsec" not in post.heads[0]
        async with books.engine.begin() as db:
            await db.execute(update(User).where(User.id == 2).values(setting=setting.replace("https:", "http:")))
        assert await job.notify(_ctx(worker, "w2"), 2, "quota_exceed", FACTS) == "address refused", "https only"


@pytest.mark.parametrize(
    ("mode", "port", "expected"),
    [("auto", "465", (True, None)), ("auto", "587", (False, None)), ("implicit", "2465", (True, None)),
     ("starttls", "465", (False, True)), ("none", "25", (False, False))],
)  # fmt: skip
def test_how_mail_is_encrypted(mode: str, port: str, expected: tuple[bool, bool | None]):
    server = read_server(read_options({"SMTPServer": "a", "SMTPPort": port, "SMTPTLSMode": mode}))
    assert server is not None and (server.implicit_tls, server.start_tls) == expected


async def test_starttls_or_nothing(books: Books):
    async with _open("smtp") as post:  # offers none
        worker = await _worker(books, SMTPPort=str(post.port), SMTPTLSMode="starttls")
        assert await job.notify(_ctx(worker, "j1", job.TRIES_MAX), 1, "quota_exceed", FACTS) == "failed"
        assert post.got == []


async def test_more_than_the_limit_is_held_back_and_counted(books: Books):
    async with _open("smtp") as post:
        worker = await _worker(books, SMTPPort=str(post.port))
        results = [await job.notify(_ctx(worker, f"j{n}"), 1, "quota_exceed", FACTS) for n in range(5)]
        assert results == ["sent", "sent", "suppressed", "suppressed", "suppressed"]
        assert await job.notify(_ctx(worker, "other"), 1, "channel_test", {}) == "sent"  # kinds are counted apart
        await books.redis.delete("mx:notice:limit:1:quota_exceed")
        await job.notify(_ctx(worker, "later"), 1, "quota_exceed", FACTS)
        assert "3 more of this kind" in _text(post.got[-1])


def _text(mail: str) -> str:
    import email

    parts = email.message_from_string(mail).walk()
    return "".join(str(part.get_payload(decode=True).decode()) for part in parts if not part.is_multipart())  # type: ignore[union-attr]


async def test_a_webhook_is_signed_over_its_bytes(books: Books, monkeypatch: pytest.MonkeyPatch):
    async with _open("http") as post:
        worker = await _worker(books)
        rules = UrlRules(http=True, ports=frozenset({post.port}), private=True)
        monkeypatch.setattr(job, "GuardedFetcher", lambda _: GuardedFetcher(rules))
        setting = json.dumps(
            {"notify_type": "webhook", "webhook_url": f"http://127.0.0.1:{post.port}/x", "webhook_secret": "whsec"}
        )
        async with books.engine.begin() as db:
            await db.execute(update(User).where(User.id == 2).values(setting=setting))
        post.down = True
        with pytest.raises(Retry):
            await job.notify(_ctx(worker, "j1"), 2, "channel_update_7_3", {"name": "x", "id": 7, "reason": "401"})
        post.down = False
        sent = await job.notify(_ctx(worker, "j1", 2), 2, "channel_update_7_3", {"name": "x", "id": 7, "reason": "401"})
        assert sent == "sent"
        body = json.loads(post.got[0])
        assert body["type"] == "channel_update_7_3" and body["values"] == ["x", "7", "401"] and body["user_id"] == 2
        expected = hmac.new(b"whsec", post.got[0].encode(), hashlib.sha256).hexdigest()
        assert f"x-webhook-signature: {expected}" in post.heads[0].lower()


async def test_a_webhook_never_goes_to_an_internal_address(books: Books):
    worker = await _worker(books)
    assert await job.notify(_ctx(worker, "j1"), 2, "quota_exceed", FACTS) == "address refused"


async def test_every_kind_that_is_queued_has_a_text():
    for kind in ("quota_exceed", "channel_update_7_3", "channel_update_7_1", "channel_update_many", "channel_test",
                 "channel_balance_low", "reconcile_drift", "redis_emptied", "redis_rewound"):  # fmt: skip
        notice = write_notice(kind, {"name": "a\r\nBcc: x", "id": 7, "reason": "r"})
        assert "\n" not in notice.title and "{" not in notice.title
        assert "{{value}}" not in notice.content


def test_signatures_of_the_predecessors_hold():
    body = b'{"type":"quota_exceed","title":"t","content":"c","values":["a"],"timestamp":1744380000}'
    headers = sign(body, "whsec", notice_id="n", at_s=1744380000)
    assert headers["X-Webhook-Signature"] == "5b98ab40c7d5a4d7e3312d27f0da6501efa99364eb3a0e3125b2cc72d07a57b3"


def test_a_receiver_cannot_smuggle_headers():
    server = MailServer("h", 25, "", "", "gateway@example.com", "Gate\r\nBcc: all@example.com", implicit_tls=False)
    with pytest.raises(MailFailed):
        write_mail(server, "ann@example.com\r\nBcc: all@example.com", "s", "t")
