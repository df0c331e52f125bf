"""The version of this program: the installed package's, or that of the checkout it runs from."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("medusaxd-api")
except PackageNotFoundError:
    VERSION = "0.1.0"
