"""Decides whether a request was sent to this server, and by a page of this server.

A page of another origin can let a browser send requests with the cookie of a person. A name that an
attacker owns can be made to point at this machine (DNS rebinding). Both are seen in the headers.
"""

import ipaddress
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""

_OWN = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site: a page of this server, or the person (such as the address bar)."""


_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{0,5}))?")
"""A host and a port as browsers send them: without a user, a path and the like."""


_LARGEST_PORT = 65535


def is_known_host(host: str, address: str, names: Collection[str]) -> bool:
    """Return whether a Host header names this server.

    `address`: the address at which the connection arrived. `names`: the other names of the server.
    An address is safe, because only a name can be made to point elsewhere.
    """
    name = _name_in(host)
    if name in map(str.lower, names):
        return True
    if name == "localhost":
        return ipaddress.ip_address(address).is_loopback
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(address)
    except ValueError:
        return False


def is_plain_loopback(host: str) -> bool:
    """Return whether a Host header is an address of this machine, which all its programs share."""
    name = _name_in(host)
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name_in(host: str) -> str:
    """Return the name or address in a Host header; empty if the header or its port is invalid."""
    found = _HOST.fullmatch(host)
    is_possible = found and int(found[3] or 0) <= _LARGEST_PORT
    return (found[1] or found[2]).lower() if found and is_possible else ""


def is_of_this_user(client_port: int, server_port: int) -> bool:
    """Return whether a process of this user has the other end of a loopback connection.

    Only Linux can tell; elsewhere this is False.
    """
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                _, local, remote, *_, user = line.split(maxsplit=8)[:8]
                ports = (int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16))
                if ports == (client_port, server_port):
                    return int(user) == os.getuid()
    return False


def scheme_of(headers: Mapping[str, str]) -> str:
    """Return the scheme of the address in the browser: a reverse proxy with TLS names it."""
    return "https" if headers.get("x-forwarded-proto") == "https" else "http"


def is_own_origin(headers: Mapping[str, str], *, is_safe: bool) -> bool:
    """Return whether a request comes from a page of this server, or from no page.

    A safe request of another page is allowed if it opens a page, such as by a link.
    """
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
    if origin:
        return origin == f"{scheme_of(headers)}://{headers.get('host', '')}"
    opens_page = is_safe and headers.get("sec-fetch-dest", "") == "document"
    return site in _OWN or not site or opens_page
