"""The calls: what listens, routes, relays and answers."""

import schema as schema  # first of all: its log lines hold no secrets
