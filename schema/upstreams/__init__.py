"""Speaking to a channel outside of a client's call: tests, balances, model lists, and the rules of its status."""
