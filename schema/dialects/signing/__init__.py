"""Signatures and tokens that providers ask for, by their libraries or their documents. Pure: the time is an argument."""
