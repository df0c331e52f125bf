"""`medusa backup` and `medusa restore`: the books into one file while the gateway runs, and back while it does not."""

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import typer
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from medusa.backup import archive, dumps, records
from medusa.backup.redis_access import open_redis
from medusa.cannot_start import CannotStart
from medusa.commands.database import load_config
from medusa.preflight import check_folder, make_place
from schema.config import Config
from schema.database import Engine, make_engine, parse_dsn
from workers.redis_memory import forget_servers

ROLES = ("database", "logs")


def register(app: typer.Typer) -> None:
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(file: Path, force: bool = typer.Option(False, help="Replace a file that exists.")) -> None:
    """Copy databases and unsettled usage into one file. The gateway may run. Secrets inside stay sealed."""
    config = load_config()
    if file.exists() and not force:
        _fail(f"{file} exists; choose another name, or --force.")
    try:
        manifest = asyncio.run(_backup(config, file))
    except CannotStart as error:
        _fail(str(error))
    size = file.stat().st_size
    typer.echo(f"{file}: {size} bytes, {len(manifest.members) - 1} database(s), {manifest.entries} usage records")
    if not os.environ.get("CRYPTO_SECRET") and not os.environ.get("SESSION_SECRET"):
        typer.echo(
            f"Keep {Path(config.data_dir) / 'session_secret'} as well, elsewhere: stored secrets open with it alone."
        )


def restore(file: Path, yes: bool = typer.Option(False, "--yes", help="Replace what is there without asking.")) -> None:
    """Put databases and unsettled usage back. The gateway must be stopped; everything newer than the backup is lost."""
    config = load_config()
    if not yes:
        places = " and ".join(_named(url) for url in _addresses(config).values())
        redis = make_place(config.redis_url) if config.redis_url else f"the Valkey in {config.data_dir}"
        typer.confirm(f"Replace {places}, and empty our part of {redis}?", abort=True)
    try:
        count = asyncio.run(_restore(config, file))
    except CannotStart as error:
        _fail(str(error))
    typer.echo(f"restored; {count} usage records will be settled at the next start")


def _fail(sentence: str) -> None:
    typer.echo(f"medusa: {sentence}", err=True)
    raise typer.Exit(1)


def _addresses(config: Config) -> dict[str, URL]:
    """Role -> database. Without LOG_SQL_DSN there is one."""
    found = {"database": parse_dsn(config.sql_dsn, config.sqlite_file)}
    if config.log_sql_dsn:
        found["logs"] = parse_dsn(config.log_sql_dsn, config.sqlite_file)
    return found


def _named(url: URL) -> str:
    """A database for the operator, without user and password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.database} at {url.host or 'its socket'}" + (f":{url.port}" if url.port else "")


async def _positions(urls: list[URL], partitions: int) -> dict[int, str]:
    engines: list[Engine] = [make_engine(url, pool_size=1, pool_max=1) for url in urls]
    try:
        return await records.read_positions([*engines], partitions)
    finally:
        for engine in engines:
            await engine.dispose()


async def _backup(config: Config, file: Path) -> archive.Manifest:
    urls = _addresses(config)
    for url in urls.values():
        dumps.check_tools(url, load=False)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=file.parent, prefix=".medusa-")))
        redis = await stack.enter_async_context(open_redis(config))
        start = await _positions(list(urls.values()), config.partitions)
        copier = records.Copier(redis, folder / archive.RECORDS, start)
        stack.callback(copier.close)
        await copier.catch_up()
        follower = asyncio.create_task(copier.follow())
        roles = {archive.RECORDS: ("records", "")}
        try:
            for role, url in urls.items():
                await asyncio.to_thread(dumps.dump, url, folder / f"{role}.dump")
                roles[f"{role}.dump"] = (role, url.get_backend_name())
        finally:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
        await copier.catch_up()
        return archive.write(file, folder, roles, partitions=config.partitions, entries=copier.records)


async def _restore(config: Config, file: Path) -> int:
    urls = _addresses(config)
    check_folder(config.data_dir)
    async with AsyncExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(dir=config.data_dir, prefix=".restore-"))
        folder = Path(place)
        manifest = await asyncio.to_thread(archive.read, file, folder)
        _check_same(manifest, urls)
        redis = await stack.enter_async_context(open_redis(config, alone=True))
        for url in urls.values():
            if url.get_backend_name() == "sqlite":
                continue
            dumps.check_tools(url, load=True)
            await _check_reachable(url)
        for role, url in urls.items():
            await asyncio.to_thread(dumps.load, url, folder / f"{role}.dump")
            await _gather_statistics(url)
        positions = await _positions(list(urls.values()), manifest.partitions)
        count = await records.put_back(redis, folder / archive.RECORDS, positions)
        await _meet_anew(urls["database"])
        return count


async def _meet_anew(url: URL) -> None:
    """This Redis was emptied on purpose: it is no loss that anybody need be told of."""
    engine = make_engine(url, pool_size=1, pool_max=1)
    try:
        await forget_servers(engine)
    finally:
        await engine.dispose()


def _check_same(manifest: archive.Manifest, urls: dict[str, URL]) -> None:
    """Raises CannotStart before anything is changed."""
    for role in ROLES:
        member, url = manifest.find(role), urls.get(role)
        ours, theirs = url.get_backend_name() if url else None, member.engine if member else None
        if ours != theirs:
            raise CannotStart(f"The backup has {theirs or 'nothing'} as {role}, the configuration {ours or 'nothing'}.")


async def _gather_statistics(url: URL) -> None:
    """A dump of PostgreSQL has none, and until the server looks by itself every plan would be a guess."""
    if url.get_backend_name() != "postgresql":
        return
    engine = make_engine(url, pool_size=1, pool_max=1)
    try:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
            await db.execute(text("ANALYZE"))
    finally:
        await engine.dispose()


async def _check_reachable(url: URL) -> None:
    engine = make_engine(url, pool_size=1, pool_max=1)
    try:
        async with engine.connect() as db:
            await db.execute(text("SELECT 1"))
    except (DBAPIError, OSError) as error:
        raise CannotStart(f"The database cannot be reached: {type(error).__name__}") from None
    finally:
        await engine.dispose()
