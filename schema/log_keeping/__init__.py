"""Keeping the log for years: partitions by time, archives, deletion by retention. The ledger is never touched from here."""
