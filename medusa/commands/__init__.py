"""Subcommands of `medusa`: every module here has a function `register(app)`."""
