"""The commands."""

import schema as schema  # first of all: its log lines hold no secrets
