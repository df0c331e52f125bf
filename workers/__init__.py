"""The work behind the calls: settling, polling, keeping."""

import schema as schema  # first of all: its log lines hold no secrets
