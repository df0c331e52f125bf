"""A mail to see whether the mail server that is set up takes one: sent at once, with the server's answer."""

from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import read_body, reply
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.notices.mail import MailFailed, read_server, send_mail

TEXT = "这是一封测试邮件,邮件设置可用。\nThis is a test. The mail settings work."


class ReceiverBody(Struct):
    to: str


async def send_test(services: Services, request: Request, actor: Actor) -> Response:
    """Send a short mail with the saved settings."""
    body = await read_body(request, ReceiverBody)
    options = services.snapshots.current.options
    server = read_server(options)
    if server is None:
        raise Refusal("mail_not_set_up", "No mail server is set up.")
    try:
        await send_mail(server, body.to.strip(), f"{options.system_name}: 测试邮件 / test mail", TEXT)
    except MailFailed as failed:
        raise Refusal("mail_failed", f"{failed}", reason=str(failed)) from failed
    return reply()


ROUTES = (Route("POST", "/api/option/test_mail", Role.ROOT, None, send_test, body=ReceiverBody, critical=True),)
