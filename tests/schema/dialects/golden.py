"""Reading the golden fixtures."""

from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden"


def read(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def cases(dialect: str, kind: str) -> list[str]:
    """Names of the fixtures of one kind: request.json, answer.json, stream.sse, error.json."""
    return sorted(path.name.removesuffix(f".{kind}") for path in (GOLDEN / dialect).glob(f"*.{kind}"))
