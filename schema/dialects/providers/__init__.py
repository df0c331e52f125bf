"""Providers: where a call goes and what the provider wants to see. One file a provider or family; start at `registry`."""
