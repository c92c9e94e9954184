"""Tells web addresses from other texts, without ever showing them: one may hold a secret."""

from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

HIDDEN = "hidden_value"
"""The type of mistakes whose value is not to be shown."""


def require_web_address(value: SecretStr) -> SecretStr:
    """Return an address of http or https, or none at all; refuse everything else."""
    address = value.get_secret_value()
    if address and not _is_web_address(address):
        raise PydanticCustomError(
            HIDDEN, "this is no address: write https://, a host and a path, without a user's name"
        )
    return value


def _is_web_address(address: str) -> bool:
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        # Asking for the port is what finds out whether it is one.
        has_port = parts.port != 0
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and has_port and "@" not in parts.netloc
