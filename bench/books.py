"""Rows and sums of the gateway's own database: an account, a token, prices and a channel go in, charged calls come out."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Sequence

import httpx
import redis

from bench.gateway import Gateway, GatewayFailed

KEY = "b" * 48
BALANCE = 10**12  # quota; no run is stopped by it
KNOWN_S = 30.0  # until the edge must have read the rows
SETTLE_S = 60.0  # until the worker must have applied every record


def _open(gateway: Gateway) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(gateway.folder / "data" / "one-api.db", timeout=30))


def seed(gateway: Gateway, upstream: str, models: Sequence[str]) -> str:
    """One user with a limited token, so that both balances are held and settled, and one channel. Returns the token's key.

    Waits until the edge serves the first model.
    """
    names = ",".join(models)
    ratios = json.dumps(dict.fromkeys(models, 1.0))  # 2 USD per million prompt tokens
    with _open(gateway) as db, db:
        db.execute(
            'insert into users(id,username,password,role,status,quota,used_quota,request_count,"group",aff_code)'
            f" values(1,'bench','',1,1,{BALANCE},0,0,'default','b')"
        )
        db.execute(
            "insert into mx_ledger_entries(kind,reference,balance,user_id,token_id,delta,token_delta,actor,reason,at_ms)"
            f" values('opening','user:1','user',1,0,{BALANCE},0,0,'',1),('opening','token:1','token',1,1,0,{BALANCE},0,'',1)"
        )
        db.execute(
            "insert into tokens(id,user_id,key,status,name,expired_time,remain_quota,unlimited_quota,used_quota)"
            f" values(1,1,'{KEY}',1,'bench',-1,{BALANCE},0,0)"
        )
        db.execute(
            'insert into channels(id,type,key,status,name,weight,base_url,models,"group",priority,provider)'
            " values(1,1,'sk-up',1,'mock',0,?,?,'default',0,'openai')",
            (upstream, names),
        )
        db.execute("insert into options(key,value) values('ModelRatio',?)", (ratios,))
    socket = next((gateway.folder / "data" / "valkey").glob("*.sock"))
    with contextlib.closing(redis.Redis(unix_socket_path=str(socket))) as store:
        store.hincrby("mx:ver", "channels", 1)
        store.hincrby("mx:ver", "options", 1)
    deadline = time.monotonic() + KNOWN_S
    while (answer := _ask(gateway, models[0])).status_code != 200:
        if time.monotonic() > deadline:
            raise GatewayFailed(f"the gateway does not serve {models[0]}: {answer.text[:300]}")
        time.sleep(0.1)
    return f"sk-{KEY}"


def _ask(gateway: Gateway, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return gateway.http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer sk-{KEY}"})


def charged_ids(gateway: Gateway) -> set[str]:
    """Request ids in the ledger."""
    with _open(gateway) as db:
        return {row[0] for row in db.execute("select reference from mx_ledger_entries where kind='settle'")}


def count_charged(gateway: Gateway, expected: int) -> int:
    """Calls in the ledger; waits for the worker to catch up."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        with _open(gateway) as db:
            charged = int(db.execute("select count(*) from mx_ledger_entries where kind='settle'").fetchone()[0])
        if charged >= expected or time.monotonic() > deadline:
            return charged
        time.sleep(0.2)
