"""Mail by SMTP: TLS with checked certificates, one receiver, a plain text and an HTML part."""

import html
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

import aiosmtplib
from msgspec import Struct

from schema.options import Options

IMPLICIT_TLS_PORT = 465
TIMEOUT_S = 20.0


class MailFailed(Exception):
    """It was not sent. `final`: trying again will not help."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


class MailServer(Struct, frozen=True):
    """Where mail leaves. `start_tls` None: where the server offers it; True: or not at all."""

    host: str
    port: int
    account: str
    password: str
    sender: str
    sender_name: str
    implicit_tls: bool
    start_tls: bool | None = None


def read_server(options: Options) -> MailServer | None:
    """None: no mail is set up."""
    if not options.smtp_server:
        return None
    mode = options.smtp_tls_mode
    implicit = options.smtp_ssl_enabled or options.smtp_port == IMPLICIT_TLS_PORT
    return MailServer(
        host=options.smtp_server,
        port=options.smtp_port,
        account=options.smtp_account,
        password=options.smtp_token,
        sender=options.smtp_from or options.smtp_account,
        sender_name=options.system_name,
        implicit_tls=implicit if mode == "auto" else mode == "implicit",
        start_tls={"starttls": True, "none": False}.get(mode),
    )


def write_mail(server: MailServer, to: str, subject: str, text: str) -> EmailMessage:
    """Raises MailFailed for an address that is none."""
    message = EmailMessage()
    try:
        message["From"] = Address(server.sender_name, addr_spec=server.sender)
        message["To"] = Address(addr_spec=to)
    except (ValueError, IndexError) as error:
        raise MailFailed(f"not an address: {error}", final=True) from error
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=server.sender.partition("@")[2] or None)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines() if line.strip())
    message.add_alternative(f"<!doctype html><html><body>{paragraphs}</body></html>", subtype="html")
    return message


async def send_mail(server: MailServer, to: str, subject: str, text: str, **tls: Any) -> None:
    """Send one mail. Raises MailFailed. `tls`: for tests, as `tls_context`."""
    message = write_mail(server, to, subject, text)
    try:
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.account if server.password else None,
            password=server.password or None,
            use_tls=server.implicit_tls,
            start_tls=None if server.implicit_tls else server.start_tls,
            timeout=TIMEOUT_S,
            **tls,
        )
    except (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPNotSupported) as error:
        raise MailFailed(f"the mail server refused the account: {type(error).__name__}", final=True) from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise MailFailed("the mail server refused the receiver", final=True) from error
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise MailFailed(f"the mail server did not take it: {type(error).__name__}", final=False) from error
