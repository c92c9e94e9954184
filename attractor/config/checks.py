"""Checks of values in settings and other tables: each returns the value, or raises ValueError."""

import re
from collections.abc import Mapping
from typing import LiteralString
from urllib.parse import urlsplit

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.base.patterns import linear_search
from attractor.base.toml import HIDDEN_VALUE
from attractor.config.sections import SecretStr

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]*"


def require_name(name: str) -> str:
    """Return a name that a suite, a profile, a scenario or a step may have, or raise ValueError."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError("use lower-case letters, digits, - and _, but not - or _ first")
    return name


LONGEST_NEW_NAME = 100
"""In characters: a name is a part of files and branches, which have other parts as well."""


def require_new_name(name: str) -> str:
    """Return a name for a new folder or branch, or raise ValueError; earlier ones may be longer."""
    if len(name) > LONGEST_NEW_NAME:
        raise ValueError(f"use at most {LONGEST_NEW_NAME} characters")
    return require_name(name)


def require_place_root(root: str) -> str:
    """Return the root of a place, or raise ValueError."""
    parts = root.split("/")
    if parts[0] not in ("", "~") or len([part for part in parts[1:] if part]) == 0:
        raise ValueError("use an absolute path below /, or one that begins with ~/")
    if ".." in parts or not root.isprintable() or "//" in root or root.endswith("/"):
        raise ValueError("use a path without .., without // and without a final slash")
    return root


def require_host(host: str) -> str:
    """Return the host of a place, or raise ValueError."""
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise ValueError("name a host, such as box or me@box.example")
    return host


def require_image(image: str) -> str:
    """Return the image of a container, or raise ValueError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", image):
        raise ValueError("name an image, such as python:3.12 or localhost/mine:1")
    return image


VARIABLE_PATTERN = r"[A-Za-z_][A-Za-z0-9_]*"
_SECRET = r"(?:.*_)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|AUTH)(?:_.*)?"
_OF_SANDBOX = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"}


def require_sandbox_variables(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return variables that a file may give a sandbox, or raise ValueError."""
    for name, value in variables.items():
        if not re.fullmatch(VARIABLE_PATTERN, name) or "\0" in value:
            raise ValueError(f"{name!r}: invalid variable")
        if name in _OF_SANDBOX or name.upper().startswith("ATTRACTOR_"):
            raise ValueError(f"{name} is set by the sandbox itself")
        if re.fullmatch(_SECRET, name, re.IGNORECASE):
            raise ValueError(f"{name} looks like a secret, which no file may contain: pass_env")
    return variables


def require_model_name(text: str) -> str:
    """Return a model name of the form provider/model; refuse others."""
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise ValueError("write a model as provider/model")
    return text


def require_pattern(text: str) -> str:
    """Return a regular expression that does not match every text; refuse others."""
    if linear_search(text)(""):
        raise ValueError("this pattern matches every text")
    return text


def require_web_address(value: SecretStr) -> SecretStr:
    """Return an http or https URL, or an empty text; refuse others."""
    address = value.get_secret_value()
    if address and not _is_web_address(address):
        raise _hidden("invalid URL: write https://, a host and a path, without a user name")
    return value


def _hidden(message: LiteralString) -> ValueError:
    """Return a fault of a value that is not shown."""
    # Imported here, because most values are valid.
    from pydantic_core import PydanticCustomError

    return PydanticCustomError(HIDDEN_VALUE, message)


def require_service_address(address: str) -> str:
    """Return a URL of HTTP, or of SMTP without a path, or an empty text; refuse others."""
    scheme, _, rest = address.partition("://")
    is_mail = scheme in ("smtp", "smtps")
    checked = f"http://{rest}" if is_mail and "/" not in rest else address
    if address and (not _is_web_address(checked) or "?" in address or "#" in address):
        raise ValueError(
            "write http:// or https://, a host and a path, without a user name or a query "
            "(mail: smtp:// or smtps://, a host and a port)"
        )
    return address


def require_mail_address(address: str) -> str:
    """Return a mail address, or an empty text; refuse others."""
    if address and not re.fullmatch(r"[A-Za-z0-9_+.'=#~&-]+@[A-Za-z0-9.-]+", address):
        raise ValueError("write a mail address, such as street@mail.example")
    return address


def require_header_value(secret: SecretStr) -> SecretStr:
    """Return a secret that can be sent in a header; refuse others."""
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise _hidden("invalid token: write printable ASCII characters, without a line break")
    return secret


_TAKEN_HEADERS = ("authorization", "cookie", "host", "origin")


def require_host_name(name: str) -> str:
    """Return a host name without a port; refuse others."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
        raise ValueError("write a host name without a scheme, a port or a path")
    return name.lower()


def require_header_name(name: str) -> str:
    """Return the name of a header, or an empty text; refuse others."""
    if not re.fullmatch(r"[A-Za-z0-9-]*", name) or name.lower() in _TAKEN_HEADERS:
        raise ValueError("write the name of a header of your proxy, such as X-Forwarded-User")
    return name


def require_duration(text: str) -> str:
    """Return a duration such as 12h; refuse others."""
    try:
        parse_duration(text)
    except InvalidDuration as cause:
        raise ValueError(f"{cause.message}: {cause.hint}") from cause
    return text


def require_variable_name(name: str) -> str:
    """Return the name of an environment variable; refuse others."""
    if not re.fullmatch(VARIABLE_PATTERN, name):
        raise ValueError("invalid variable name: write letters, digits and _")
    return name


def require_cache_path(path: str) -> str:
    """Return a relative path without `..`, or an empty text; refuse others."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("write a path in the cache folder, without ..")
    return path


def _is_web_address(address: str) -> bool:
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        # urlsplit checks the port only when it is read.
        has_port = parts.port != 0
        # An empty or a very long label is no name of a host.
        (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and has_port and "@" not in parts.netloc
