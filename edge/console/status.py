"""What everybody may know of this gateway: names, switches, addresses. No database behind it: health checks ask often."""

from functools import lru_cache

import nh3
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import text

from edge.console.calls import reply
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.version import VERSION


class SystemView(Struct, kw_only=True):
    """`price` in CNY per USD, `start_time` in Unix s, `quota_per_unit` units of one USD."""

    version: str
    start_time: int
    email_verification: bool
    github_oauth: bool
    github_client_id: str
    discord_oauth: bool
    discord_client_id: str
    linuxdo_oauth: bool
    linuxdo_client_id: str
    telegram_oauth: bool
    telegram_bot_name: str
    system_name: str
    logo: str
    footer_html: str
    wechat_qrcode: str
    wechat_login: bool
    server_address: str
    price: float
    min_topup: int
    turnstile_check: bool
    turnstile_site_key: str
    top_up_link: str
    docs_link: str
    quota_per_unit: float
    display_in_currency: bool
    enable_batch_update: bool
    enable_drawing: bool
    enable_task: bool
    enable_data_export: bool
    data_export_default_time: str
    default_collapse_sidebar: bool
    enable_online_topup: bool
    enable_stripe_topup: bool
    mj_notify_enabled: bool
    chats: list[dict[str, str]]
    demo_site_enabled: bool
    self_use_mode_enabled: bool
    oidc_enabled: bool
    oidc: bool
    oidc_client_id: str
    oidc_authorization_endpoint: str
    lark_client_id: str
    lark_oauth: bool
    passkey_login: bool
    password_login: bool
    register_enabled: bool
    password_register: bool
    two_factor_available: bool
    setup: bool


@lru_cache(maxsize=4)
def _clean(html: str) -> str:
    """What the operator typed, without scripts."""
    return nh3.clean(html)


async def get_status(services: Services, request: Request, actor: Actor) -> Response:
    """Names, switches and addresses for front-ends."""
    return reply(public_facts(services))


def public_facts(services: Services) -> SystemView:
    """No secret, nothing that needs a query."""
    held = services.snapshots.current.options
    return SystemView(
        version=VERSION,
        start_time=services.started_s,
        email_verification=held.email_verification_enabled,
        github_oauth=held.github_o_auth_enabled,
        github_client_id=held.github_client_id,
        discord_oauth=held.discord_enabled,
        discord_client_id=held.discord_client_id,
        linuxdo_oauth=held.linux_doo_auth_enabled,
        linuxdo_client_id=held.linuxdo_client_id,
        telegram_oauth=held.telegram_o_auth_enabled,
        telegram_bot_name=held.telegram_bot_name,
        system_name=held.system_name,
        logo=held.logo,
        footer_html=_clean(held.footer),
        wechat_qrcode=held.wechat_account_qr_code_image_url,
        wechat_login=held.wechat_auth_enabled,
        server_address=held.server_address,
        price=float(held.price),
        min_topup=held.min_top_up,
        turnstile_check=held.turnstile_check_enabled,
        turnstile_site_key=held.turnstile_site_key,
        top_up_link=held.top_up_link,
        docs_link=held.general_setting_docs_link,
        quota_per_unit=float(held.quota_per_unit),
        display_in_currency=held.display_in_currency_enabled,
        enable_batch_update=False,
        enable_drawing=held.drawing_enabled,
        enable_task=held.task_enabled,
        enable_data_export=held.data_export_enabled,
        data_export_default_time=held.data_export_default_time,
        default_collapse_sidebar=held.default_collapse_sidebar,
        enable_online_topup=bool(held.pay_address and held.epay_id and held.epay_key),
        enable_stripe_topup=bool(held.stripe_api_secret and held.stripe_webhook_secret),
        mj_notify_enabled=held.mj_notify_enabled,
        chats=held.chats,
        demo_site_enabled=held.demo_site_enabled,
        self_use_mode_enabled=held.self_use_mode_enabled,
        oidc_enabled=held.oidc_enabled,
        oidc=held.oidc_enabled,
        oidc_client_id=held.oidc_client_id,
        oidc_authorization_endpoint=held.oidc_authorization_endpoint,
        lark_client_id=held.lark_client_id,
        lark_oauth=bool(held.lark_client_id),
        passkey_login=held.passkey_login_enabled,
        password_login=held.password_login_enabled,
        register_enabled=held.register_enabled,
        password_register=held.password_register_enabled,
        two_factor_available=True,
        setup=services.snapshots.current.is_set_up,
    )


async def test_database(services: Services, request: Request, actor: Actor) -> Response:
    """Does the database answer?"""
    try:
        async with services.engine.connect() as db:
            await db.execute(text("SELECT 1"))
    except Exception as error:  # whatever the driver raises: the answer is no
        raise Refusal("database_unreachable", "The database does not answer.", status=503) from error
    return reply(message="Server is running")


ROUTES = (
    Route("GET", "/api/status", Role.VISITOR, SystemView, get_status),
    Route("GET", "/api/status/test", Role.ADMIN, None, test_database),
)
