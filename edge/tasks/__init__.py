"""Asynchronous tasks as clients call them: submits through the relay's channels, results from our own tables."""
