"""Whose database this is, and what adopting it would write: read only, before the first change."""

from sqlalchemy import Connection, inspect, text


def find_origin(connection: Connection) -> str:
    """Who made the database: `new` (nobody), `new-api` or `one-api`."""
    inspector = inspect(connection)
    tables = {plain_name(connection, name): name for name in inspector.get_table_names()}
    if "users" not in tables:
        return "new"
    columns = {
        name: {plain_name(connection, column["name"]) for column in inspector.get_columns(tables[name])}
        for name in ("users", "channels", "tokens")
        if name in tables
    }
    users, channels, tokens = (columns.get(name, set()) for name in ("users", "channels", "tokens"))
    if "setups" in tables or "auto_ban" in channels or "model_limits" in tokens:
        return "new-api"
    if "config" in channels or "subnet" in tokens:
        return "one-api"
    # Early releases of both: new-api's first steps away from its ancestor were drawings, the dashboard and rewards.
    return "new-api" if {"midjourneys", "quota_data", "top_ups"} & tables.keys() or "aff_quota" in users else "one-api"


def plain_name(connection: Connection, name: str) -> str:
    """A name as it is compared: PostgreSQL alone tells case apart."""
    return name if connection.dialect.name == "postgresql" else name.lower()


def plan_fill(connection: Connection, origin: str) -> list[str]:
    """What `_fill` would write, in numbers of rows; reads only columns that a predecessor has."""
    inspector = inspect(connection)
    present = {plain_name(connection, name): name for name in inspector.get_table_names()}

    def count(table: str, where: str = "") -> int:
        if table not in present:
            return 0
        statement = f"SELECT count(*) FROM {present[table]}" + (f" WHERE {where}" if where else "")  # noqa: S608  # constants
        return int(connection.execute(text(statement)).scalar_one())

    if "users" not in present:
        return ["open the books and make the settings of a new database"]
    steps = [
        f"name the provider of {count('channels')} channels",
        f"open the books with {count('users', 'quota <> 0')} balances",
    ]
    if origin == "one-api":
        steps.append(f"mark {count('users', 'status = 3')} accounts as deleted, as their status says")
        if "tokens" in present and "models" in {one["name"] for one in inspector.get_columns(present["tokens"])}:
            where = "models IS NOT NULL AND models <> ''"
            steps.append(f"take over the model limits of {count('tokens', where)} tokens")
    if count("users", "role = 100") and not count("setups"):
        steps.append("mark the first-run set-up as done")
    return steps
