"""Channels to every provider of the matrix, and prices that tell each kind of token apart."""

import json
from typing import Any

from sqlalchemy import insert

from schema.tables import Ability, Channel, OptionRow
from tests.edge.relay.matrix.providers import PROVIDERS, account
from tests.edge.relay.matrix.standin import Standin
from tests.system import System


async def seed_channels(system: System, standin: Standin) -> None:
    """Two channels for each provider: calls that shall fail have their own, so that no health rule touches the others."""
    models = [f"{kind}-{name}" for name in PROVIDERS for kind in ("m", "f")]
    ones = dict.fromkeys(models, 1)
    options = {
        "ModelRatio": ones,
        "CompletionRatio": dict.fromkeys(models, 3),
        "CacheRatio": dict.fromkeys(models, 0.25),
        "CacheCreationRatio": dict.fromkeys(models, 1.25),
    }
    rows: list[dict[str, Any]] = []
    for at, (name, provider) in enumerate(PROVIDERS.items()):
        key = account(f"http://127.0.0.1:{standin.port}/{name}/oauth") if provider.key == "account" else provider.key
        for number, model in ((10 + 2 * at, f"m-{name}"), (11 + 2 * at, f"f-{name}")):
            rows.append(
                {
                    "id": number, "type": provider.number, "key": key, "status": 1, "name": model, "weight": 0,
                    "base_url": standin.address(name), "models": model, "group": "default", "priority": 0,
                    "provider": provider.name or name, "other": provider.other if provider.other != "aws" else "",
                    "model_mapping": json.dumps({model: provider.upstream}), "setting": provider.setting or None,
                }
            )  # fmt: skip
    async with system.engine.begin() as db:
        await db.execute(insert(Channel), rows)
        await db.execute(
            insert(Ability),
            [{"group": "default", "model": row["models"], "channel_id": row["id"], "enabled": True} for row in rows],
        )
        texts = {name: json.dumps(value) for name, value in options.items()}
        texts |= {"AutomaticDisableChannelEnabled": "false", "RetryTimes": "0"}
        await db.execute(insert(OptionRow), [{"key": key, "value": value} for key, value in texts.items()])
