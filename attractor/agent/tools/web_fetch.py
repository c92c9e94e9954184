"""Fetch the text of a web page; only for agents whose tools include this one.

The request is sent by this process, not inside the sandbox. Therefore every address of the host is
checked, the connection goes to a checked address, and the target of a redirect is checked again.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urljoin

import httpx

from attractor import __version__
from attractor.agent.errors import ToolError
from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.html_text import html_to_text
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

TIME_LIMIT_S = 30.0
CONNECT_LIMIT_S = 8.0
MAX_BYTES = 5 * 1024 * 1024
MAX_REDIRECTS = 5

IsAllowed = Callable[[IPv4Address | IPv6Address], bool]

# Addresses of IPv4 hosts, as gateways to IPv4 write them.
_GATEWAY = ip_network("64:ff9b::/96")
_TEXTS = ("text/", "application/json", "application/xml", "application/javascript")
_TEXT_ENDINGS = ("+json", "+xml")
_HEADERS = {"user-agent": f"attractor/{__version__}", "accept-encoding": "gzip"}


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is on the internet: not loopback, private or link-local."""
    if isinstance(address, IPv6Address):
        if address in _GATEWAY:
            return False
        address = address.ipv4_mapped or address.sixtofour or address
    return address.is_global and not address.is_multicast


def fetch_tool(is_allowed: IsAllowed) -> RegisteredTool:
    """Return the tool, restricted to some addresses."""

    async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        url = text_of(arguments, "url")
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                return await _fetch(url, is_allowed)
        except TimeoutError as cause:
            raise ToolError(f"{url} did not answer within {TIME_LIMIT_S:g} s") from cause
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            raise ToolError(f"cannot fetch {url}: {cause or type(cause).__name__}") from cause

    return RegisteredTool(
        define(
            "web_fetch",
            "Fetch a web page or text file by its URL. HTML is reduced to text.",
            {
                "url": {
                    "type": "string",
                    "minLength": 1,
                    "description": "The http or https URL.",
                }
            },
            required=["url"],
        ),
        execute,
        needs=Permissions.FULL,
    )


async def _fetch(url: str, is_allowed: IsAllowed) -> str:
    timeout = httpx.Timeout(TIME_LIMIT_S, connect=CONNECT_LIMIT_S)
    async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
        for _ in range(MAX_REDIRECTS + 1):
            response = await _send(client, httpx.URL(url), is_allowed)
            try:
                if not response.has_redirect_location:
                    return await _read(response, url)
                url = urljoin(url, response.headers["location"])
            finally:
                await response.aclose()
    raise ToolError(f"more than {MAX_REDIRECTS} redirects, at last to {url}")


async def _send(client: httpx.AsyncClient, url: httpx.URL, is_allowed: IsAllowed) -> httpx.Response:
    """Send a request to the first checked address that can be reached."""
    if url.scheme not in ("http", "https") or not url.host:
        raise ToolError(f"unsupported URL {str(url)!r}", hint="use an http or https URL")
    *others, last = await _resolve(url, is_allowed)
    for address in others:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await client.send(_request(client, url, address), stream=True)
    return await client.send(_request(client, url, last), stream=True)


def _request(client: httpx.AsyncClient, url: httpx.URL, address: str) -> httpx.Request:
    """Return a request to an address, with the name of the host for TLS and for the server."""
    return client.build_request(
        "GET",
        url.copy_with(host=address, username=None, password=None),
        headers={**_HEADERS, "host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": _host(url)},
    )


async def _resolve(url: httpx.URL, is_allowed: IsAllowed) -> Sequence[str]:
    """Return the addresses of a host, which must all be allowed."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(_host(url), url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as cause:
        raise ToolError(f"unknown host {url.host}", hint="check the URL") from cause
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        if not is_allowed(ip_address(address.partition("%")[0])):
            raise ToolError(
                f"{url.host} has the address {address}, which is not on the internet",
                hint="use the shell to reach servers of the working environment",
            )
    return addresses


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


async def _read(response: httpx.Response, url: str) -> str:
    kind = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if not kind.startswith(_TEXTS) and not kind.endswith(_TEXT_ENDINGS):
        raise ToolError(f"{url} is {kind or 'of an unknown type'}, not text")
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MAX_BYTES:
            raise ToolError(f"{url} is larger than {MAX_BYTES} bytes")
    text = content.decode(response.encoding or "utf-8", "replace")
    if kind in ("text/html", "application/xhtml+xml"):
        text = html_to_text(text, url)
    if response.is_error:
        raise ToolError(f"{url} answered with status {response.status_code}\n{text}")
    return f"{url} ({response.status_code}, {kind})\n\n{text}"


part = fetch_tool(is_public)
