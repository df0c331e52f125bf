"""Why the gateway does not start; apart from the checks, because who catches it need not load what they need."""


class CannotStart(Exception):
    """One sentence for the operator; never holds a password."""
