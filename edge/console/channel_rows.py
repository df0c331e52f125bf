"""Rows of `channels` and `abilities`: written together in one transaction, so that routing never disagrees with the list."""

import json
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.channels import read_object, split_names
from edge.console.envelope import Refusal
from schema.tables import Ability, Channel
from schema.upstreams.account import MULTI_KEY

CHANNEL_COLUMNS = tuple(Channel.__table__.columns)
CHUNK = 500  # rows of one INSERT
MODEL_BYTES_MAX = 255
OBJECTS = ("model_mapping", "status_code_mapping", "setting", "param_override")  # JSON columns


def check_values(values: dict[str, Any], provider: str) -> None:
    """Raises Refusal, naming what does not fit."""
    for name in OBJECTS:
        text = values.get(name)
        if text and text.strip():
            try:
                fits = isinstance(json.loads(text), dict)
            except ValueError:
                fits = False
            if not fits:
                raise Refusal("invalid_json", f"{name} must be a JSON object.", member=name)
    url = values.get("base_url")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise Refusal("invalid_base_url", "The base URL must begin with http:// or https://.")
    for model in split_names(values.get("models")):
        if len(model.encode()) > MODEL_BYTES_MAX:
            raise Refusal("model_name_too_long", "A model's name is too long.", highest=MODEL_BYTES_MAX)
    setting = read_object(values.get("setting"))
    if setting.get("multi_key") not in (None, "", *MULTI_KEY):
        raise Refusal("invalid_multi_key", "multi_key must be random or round_robin.")
    for name in ("concurrency_max", "per_minute_max", "cost"):
        number = setting.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int | float) or number < 0:
            raise Refusal("invalid_number", f"{name} must be a number of at least 0.", member=name)
    ratio = setting.get("cache_ratio")
    if ratio is not None and not (isinstance(ratio, int | float) and 0 <= ratio <= 1):
        raise Refusal("invalid_cache_ratio", "cache_ratio must be between 0 and 1.")
    if provider == "vertex" and "other" in values:
        place = values["other"] or ""
        if not place or (place.lstrip().startswith("{") and "default" not in read_object(place)):
            raise Refusal("vertex_region", "Vertex needs a region, or an object of regions with the member default.")


def abilities_of(row: Any) -> list[dict[str, Any]]:
    """One row for each group and model of a channel."""
    return [
        {
            "group": group,
            "model": model,
            "channel_id": row["id"],
            "enabled": row["status"] == 1,
            "priority": row["priority"] or 0,
            "weight": row["weight"] or 0,
            "tag": row["tag"],
        }
        for group in split_names(row["group"])
        for model in split_names(row["models"])
    ]


async def rebuild_abilities(db: AsyncConnection, rows: list[Any]) -> None:
    """For these channels as they are now."""
    for start in range(0, len(rows), CHUNK):
        ids = [row["id"] for row in rows[start : start + CHUNK]]
        await db.execute(delete(Ability).where(Ability.channel_id.in_(ids)))
    made = [ability for row in rows for ability in abilities_of(row)]
    for start in range(0, len(made), CHUNK):
        await db.execute(insert(Ability), made[start : start + CHUNK])
