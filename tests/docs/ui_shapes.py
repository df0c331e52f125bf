"""The part of the OpenAPI document that the admin UI's types are made of: the shapes its types.ts names, and what these name."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

TYPES = Path(__file__).parent.parent.parent / "admin_ui" / "src" / "shared" / "api" / "types.ts"
_USED = re.compile(r'Reply<"(\w+)">')
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')


def read_shapes() -> tuple[str, dict[str, Any]]:
    """The digest and the document; a shape that types.ts names and the server has not is a KeyError."""
    from edge.console.app import ROUTES
    from edge.console.openapi import write_openapi

    whole = json.loads(write_openapi(ROUTES))
    known: dict[str, Any] = whole["components"]["schemas"]
    wanted, shapes = _USED.findall(TYPES.read_text()), dict[str, Any]()
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = known[name]
            wanted += _REFERENCE.findall(json.dumps(known[name]))
    shapes = dict(sorted(shapes.items()))
    digest = hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()
    document = {
        "openapi": whole["openapi"],
        "info": {"title": "MedusaXD API", "version": "1"},
        "paths": {},
        "components": {"schemas": shapes},
    }
    return digest, document


if __name__ == "__main__":
    found, text = read_shapes()
    print(json.dumps({"digest": found, "document": text}))
