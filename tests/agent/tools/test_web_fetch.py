"""Fetches from a real server on the loopback, which the tool itself refuses."""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from attractor.agent.errors import ToolError
from attractor.agent.tools import web_fetch
from attractor.agent.tools.web_fetch import MAX_BYTES, fetch_tool, is_public, part
from tests.agent.places import finish, local
from tests.tables import table


class Site(BaseHTTPRequestHandler):
    """A page for each path; records the requests."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['host']} {self.path}")
        kind, _, value = self.path[1:].partition("/")
        pages = {
            "page": (200, "text/html", b"<h1>Title</h1><p>gr\xc3\xbcn"),
            "latin": (200, "text/plain; charset=latin-1", b"gr\xfcn"),
            "data": (200, "application/ld+json", b"{}"),
            "image": (200, "image/png", b"\x89PNG"),
            "gone": (404, "text/plain", b"no such page"),
            "large": (200, "text/plain", b"x" * (MAX_BYTES + 1)),
        }
        status, media_type, body = pages.get(kind, (302, "text/plain", b""))
        self.send_response(status)
        self.send_header("content-type", media_type)
        if status == 302:
            self.send_header("location", value or self.path)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Disable the request log."""


@contextmanager
def site(address: str = "127.0.0.1") -> Generator[tuple[str, list[str]]]:
    """Serve on a free port; yield the URL, and a list that collects the requests."""
    asked: list[str] = []
    handler = type("SiteOfTest", (Site,), {"asked": asked})
    with ThreadingHTTPServer((address, 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://{address}:{server.server_port}", asked
        finally:
            server.shutdown()
            serving.join()


def is_first_loopback(address: IPv4Address | IPv6Address) -> bool:
    return str(address) == "127.0.0.1"


def fetch(url: str) -> str:
    tool = fetch_tool(is_first_loopback)
    return finish(tool.execute({"url": url}, local(Path("/"))))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with site() as (url, _):
        yield url


def test_html_is_reduced_to_text(url: str) -> None:
    assert fetch(f"{url}/page") == f"{url}/page (200, text/html)\n\n# Title\n\ngrün"


def test_other_texts_are_returned_as_they_are(url: str) -> None:
    assert fetch(f"{url}/latin").endswith("\n\ngrün")
    assert fetch(f"{url}/data").endswith("(200, application/ld+json)\n\n{}")


def test_redirects_are_followed(url: str) -> None:
    assert fetch(f"{url}/to//to/../latin").startswith(f"{url}/latin (200")


@table(
    ("path", "message"),
    [
        ("image", "is image/png, not text"),
        ("gone", "answered with status 404\nno such page"),
        ("large", f"is larger than {MAX_BYTES} bytes"),
        ("loop", "more than 5 redirects, at last to http://127.0.0.1:[0-9]+/loop"),
    ],
)
def test_a_page_without_a_text_is_an_error(url: str, path: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        fetch(f"{url}/{path}")


@table("address", ["file:///etc/passwd", "ftp://x.org/", "x.org", "http://"])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(ToolError, match="unsupported URL"):
        fetch(address)


def test_a_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_fetch, "TIME_LIMIT_S", 0.2)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Site) as silent,
        pytest.raises(ToolError, match=r"did not answer within 0\.2 s"),
    ):
        fetch(f"http://127.0.0.1:{silent.server_port}/")


def test_an_address_that_is_not_allowed_gets_no_request() -> None:
    with site() as (allowed, asked), site("127.0.0.2") as (forbidden, asked_in_vain):
        for address in (f"{forbidden}/page", f"{allowed}/to/{forbidden}/page"):
            with pytest.raises(ToolError, match=r"127\.0\.0\.2, which is not on the internet"):
                fetch(address)
    assert len(asked) == 1
    assert asked_in_vain == []


def test_the_name_of_the_host_reaches_the_server() -> None:
    with site() as (url, asked):
        port = url.rpartition(":")[2]
        tool = fetch_tool(lambda address: address.is_loopback)
        finish(tool.execute({"url": f"http://user:pw@127.1:{port}/page"}, local(Path("/"))))
    assert asked == [f"127.1:{port} /page"]


def test_another_address_is_tried_if_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two_addresses(*_: object, **__: object) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    monkeypatch.setattr(web_fetch, "_resolve", two_addresses)
    with site() as (url, asked):
        assert "Title" in fetch(f"{url}/page")
    assert len(asked) == 1


@table(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::1]"),
        *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.1.2.3", "172.16.0.1"),
        *("192.168.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "100.64.0.1", "224.0.0.1"),
    ],
)
def test_hosts_that_are_not_on_the_internet_are_refused(host: str) -> None:
    with pytest.raises(ToolError, match="which is not on the internet"):
        finish(part.execute({"url": f"http://{host}/"}, local(Path("/"))))


@table("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))
