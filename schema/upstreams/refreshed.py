"""A balance read and kept: on the channel, in its history, and with the consequence that an empty account has."""

import time

from sqlalchemy import insert, update

from schema.own_tables import ChannelBalance
from schema.tables import Channel
from schema.upstreams.account import Account
from schema.upstreams.balances import Balance, read_balance
from schema.upstreams.status import BY_RULE, ENABLED, Evidence, notify, set_status
from schema.upstreams.tested import Bench

EMPTY = "余额不足"  # the original's reason, which operators search for


async def refresh_balance(bench: Bench, account: Account) -> Balance:
    """Raises NotOffered, Failed. The channel's column is in USD; the history keeps the provider's own currency."""
    held = await read_balance(account, private=bench.options.channel_allow_private)
    dollars = held.amount / float(bench.options.price) if held.currency == "CNY" else held.amount
    now_ms = time.time_ns() // 1_000_000
    async with bench.engine.begin() as db:
        await db.execute(
            update(Channel).where(Channel.id == account.id).values(balance=dollars, balance_updated_time=now_ms // 1000)
        )
        values = {"channel_id": account.id, "at_ms": now_ms, "balance": held.amount, "currency": held.currency}
        await db.execute(insert(ChannelBalance).values(**values))
    return Balance(dollars, held.currency)


async def judge_balance(bench: Bench, account: Account, held: Balance) -> str:
    """What a run over all channels does with a balance (USD): 'disabled' or ''."""
    options = bench.options
    if held.amount <= 0:
        if account.status == ENABLED and account.auto_ban and options.automatic_disable_channel_enabled:
            evidence = Evidence(actor="balance", message=EMPTY)
            keep = options.auto_disable_keep_last
            if await set_status(bench.engine, bench.redis, account.id, to=BY_RULE, evidence=evidence, keep_last=keep):
                return "disabled"
    elif held.amount < options.channel_balance_alert:
        await notify(
            bench.engine, bench.redis, "channel_balance_low", name=account.name, id=account.id, balance=held.amount
        )
    return ""
