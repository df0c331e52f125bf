"""What every provider is sent for the same requests, as reviewed once. `write_sent` writes the fixtures anew."""

import json

import pytest

from tests.edge.relay.matrix.providers import PROVIDERS
from tests.edge.relay.matrix.requests import PIXEL
from tests.schema.dialects.write_sent import CASES, FOLDER, sent_to


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("case", CASES)
def test_requests(name, case):
    held = json.loads((FOLDER / f"{name}.json").read_text().replace("<pixel>", PIXEL))
    assert sent_to(name, case) == held[case]
