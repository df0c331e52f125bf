"""Asynchronous tasks: one module per platform behind one interface (`platform.Platform`); values in, values out, no IO."""
