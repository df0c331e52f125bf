"""`medusa migrate`, `medusa secrets …` and `medusa reset-root-password`: what needs nothing but the database."""

import asyncio
import getpass
import os
from collections.abc import Callable

import bcrypt
import typer
from dotenv import load_dotenv
from sqlalchemy import delete, insert, select, update

from schema.config import Config, ConfigError, ensure_secrets, read_config
from schema.database import Engine, make_engine
from schema.migrate import migrate as run_migration
from schema.options import is_secret
from schema.secrets import SealError, Vault
from schema.tables import Channel, Meta, OptionRow, TwoFactor, User

CHANNEL_SECRETS = ("key", "setting", "config")  # a proxy's address holds a password; One API's config an AWS secret


def load_config() -> Config:
    """The environment with `.env` behind it; ends the command with one sentence per mistake."""
    load_dotenv(".env", override=False)
    try:
        return ensure_secrets(read_config(os.environ))
    except (ConfigError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def open_engine(config: Config) -> Engine:
    return make_engine(config.sql_dsn, sqlite_path=config.sqlite_file, pool_size=2, pool_max=4)


def register(app: typer.Typer) -> None:
    secrets = typer.Typer(no_args_is_help=True, help="Stored secrets: encrypt, rotate, decrypt.")
    secrets.command("encrypt")(encrypt)
    secrets.command("rotate")(rotate)
    secrets.command("decrypt")(decrypt)
    app.add_typer(secrets, name="secrets")
    app.command("migrate")(migrate)
    app.command("reset-root-password")(reset_root_password)


def migrate(check: bool = typer.Option(False, help="Only tell what would change.")) -> None:
    """Create the database, or add what is missing to that of a predecessor."""
    asyncio.run(_migrate(load_config(), check))


async def _migrate(config: Config, check: bool) -> None:
    engine = open_engine(config)
    logs = make_engine(config.log_sql_dsn, sqlite_path=config.sqlite_file) if config.log_sql_dsn else None
    try:
        steps = await run_migration(engine, check=check, log_engine=logs)
    finally:
        await engine.dispose()
        if logs is not None:
            await logs.dispose()
    typer.echo("\n".join(steps) or "nothing to do")


def encrypt() -> None:
    """Encrypt all stored secrets. The predecessor cannot read the database afterwards."""
    config = load_config()
    asyncio.run(_rewrite(config, Vault(config.crypto_secret, config.crypto_secret_old).reseal, "aesgcm"))


def rotate() -> None:
    """Encrypt again under CRYPTO_SECRET what CRYPTO_SECRET_OLD had sealed."""
    config = load_config()
    vault = Vault(config.crypto_secret, config.crypto_secret_old)
    asyncio.run(_rewrite(config, lambda text: vault.reseal(text) if text.startswith("enc1:") else text, None))


def decrypt() -> None:
    """Write all secrets back as plain text, for a return to the predecessor."""
    config = load_config()
    asyncio.run(_rewrite(config, Vault(config.crypto_secret, config.crypto_secret_old).unseal, "off"))


async def _rewrite(config: Config, change: Callable[[str], str], state: str | None) -> None:
    """One transaction: either every secret is changed or none. The state is recorded with it."""
    engine = open_engine(config)
    changed = 0
    try:
        async with engine.begin() as db:
            columns = [getattr(Channel, name) for name in CHANNEL_SECRETS]
            for channel in (await db.execute(select(Channel.id, *columns))).mappings().all():
                texts = {name: change(channel[name]) for name in CHANNEL_SECRETS if channel[name]}
                values = {name: text for name, text in texts.items() if text != channel[name]}
                if values:
                    await db.execute(update(Channel).where(Channel.id == channel["id"]).values(values))
                    changed += len(values)
            for option in (await db.execute(select(OptionRow.key, OptionRow.value))).all():
                if option.value and is_secret(option.key) and (text := change(option.value)) != option.value:
                    await db.execute(update(OptionRow).where(OptionRow.key == option.key).values(value=text))
                    changed += 1
            for factor in (await db.execute(select(TwoFactor.user_id, TwoFactor.secret))).all():
                if state != "off" and (text := change(factor.secret)) != factor.secret:
                    await db.execute(update(TwoFactor).where(TwoFactor.user_id == factor.user_id).values(secret=text))
                    changed += 1
            if state is not None:
                await db.execute(delete(Meta).where(Meta.key == "secrets_at_rest"))
                await db.execute(insert(Meta).values(key="secrets_at_rest", value=state))
    except SealError as error:
        typer.echo(f"nothing was changed: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        await engine.dispose()
    typer.echo(f"{changed} secrets changed; restart the gateway")


def reset_root_password() -> None:
    """Give the root account a new password, asked for on the terminal."""
    config = load_config()
    password = getpass.getpass("new password: ")
    if len(password) < 8:
        typer.echo("a password has at least 8 characters", err=True)
        raise typer.Exit(1)
    asyncio.run(_reset(config, bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(10)).decode()))


async def _reset(config: Config, hashed: str) -> None:
    engine = open_engine(config)
    try:
        async with engine.begin() as db:
            found = (await db.execute(select(User.id, User.username).where(User.role == 100).order_by(User.id))).first()
            if found is None:
                typer.echo("there is no root account", err=True)
                raise typer.Exit(1)
            await db.execute(update(User).where(User.id == found.id).values(password=hashed, status=1))
    finally:
        await engine.dispose()
    typer.echo(f"the password of {found.username} is changed")
