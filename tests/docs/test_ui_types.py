"""The admin UI's types are those of the server: `npm run types` was run after the last change of a shape that the UI reads."""

from tests.docs.ui_shapes import TYPES, read_shapes


def test_the_types_are_of_this_servers_shapes():
    digest, _ = read_shapes()
    head = (TYPES.parent / "schema.d.ts").read_text().partition("\n")[0]
    assert head.endswith(digest), "run `npm run types` in admin_ui and mend what no longer fits"
