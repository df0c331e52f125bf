"""Live health of channels: figures, breakers, choice, automatic switching off; shared among edges through Redis."""
