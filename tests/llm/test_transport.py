import asyncio
import contextlib
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from attractor.base.json import JsonObject
from attractor.llm import (
    AdapterTimeout,
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    ProviderError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    provider_registry,
)
from attractor.llm.transport import Endpoint, Reply, Transport
from attractor.twins.hosting import in_background
from attractor.twins.provider_twin import ProviderTwin
from attractor.twins.script import parse_script

ANSWERED = "[[rules]]\nanswer.text = 'Yes.'"
KEY = "sk-very-secret-0123456789"
QUICK = AdapterTimeout(connect=5, request=0.1)
SLOW = AdapterTimeout(connect=5, request=30)


def endpoint(url: str, *, key: str = KEY, timeout: AdapterTimeout = SLOW) -> Endpoint:
    return Endpoint("acme", url, key, {"authorization": f"Bearer {key}"}, timeout)


def post(place: Endpoint, body: JsonObject | None = None, **headers: str) -> Reply:
    async def posting() -> Reply:
        transport = Transport(place)
        try:
            return await transport.post("v1/ask", body or {}, lambda reply: reply, headers=headers)
        finally:
            await transport.close()

    return asyncio.run(posting())


def receive(connection: socket.socket) -> bytes:
    """Read one request, whose body here ends with a brace."""
    received = b""
    while not received.endswith(b"}") and (piece := connection.recv(65536)):
        received += piece
    return received


@contextmanager
def answering(*pieces: bytes, stays: bool = False) -> Generator[tuple[str, list[bytes]]]:
    """Answer one connection with these very bytes; yields the address and what was received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            # Who fails before asking shall not be waited for.
            server.settimeout(20)
            connection, _ = server.accept()
            with connection:
                received.append(receive(connection))
                for piece in pieces:
                    connection.sendall(piece)
                if stays:
                    done.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", received
        finally:
            done.set()
            thread.join()


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def error_for(*pieces: bytes, stays: bool = False, timeout: AdapterTimeout = SLOW) -> SDKError:
    with answering(*pieces, stays=stays) as (url, _), pytest.raises(SDKError) as caught:
        post(endpoint(url, timeout=timeout))
    return caught.value


def test_an_answer_comes_back_with_its_headers() -> None:
    with answering(http(b'{"id": "a"}', "200 OK", "x-left: 3")) as (url, received):
        reply = post(endpoint(f"{url}/base"), {"ask": "é"}, **{"x-more": "yes"})
    assert (reply.body.text("id"), reply.headers["x-left"]) == ("a", "3")
    asked = received[0].decode()
    assert asked.startswith("POST /base/v1/ask HTTP/1.1\r\n")
    assert "x-more: yes\r\n" in asked.lower()
    assert asked.endswith('{"ask": "é"}')


def test_nobody_there_is_trouble_of_the_network_and_the_place_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NetworkError, match=f"acme at 127.0.0.1:{port}: ConnectError") as caught:
        post(endpoint(f"http://user:{KEY}@127.0.0.1:{port}"))
    assert caught.value.retryable
    assert KEY not in str(caught.value)


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    error = error_for(stays=True, timeout=QUICK)
    assert isinstance(error, RequestTimeoutError)
    assert error.message == "acme did not answer in 0.1 s"
    assert not error.retryable


def test_an_answer_that_comes_drop_by_drop_is_not_waited_for_either() -> None:
    head = http(b"x" * 100)[:-100]
    assert isinstance(error_for(head, b"{", stays=True, timeout=QUICK), RequestTimeoutError)


@contextmanager
def without_room() -> Generator[str]:
    """Yield the address of a server that takes no connection."""
    with socket.socket() as server, contextlib.ExitStack() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            # Nobody takes these, so that there is no room for another.
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_connection_that_is_not_taken_is_not_waited_for() -> None:
    with (
        without_room() as url,
        pytest.raises(RequestTimeoutError, match=r"took no connection in 0\.1 s"),
    ):
        post(endpoint(url, timeout=AdapterTimeout(connect=0.1, request=30)))


@pytest.mark.parametrize(
    "pieces",
    [[], [http(b"x" * 100)[:-50]], [b"\x00\xff nonsense\r\n\r\n"], [b"HTTP/1.1 200"]],
    ids=["closed", "cut", "nonsense", "half a head"],
)
def test_a_broken_connection_is_trouble_of_the_network(pieces: list[bytes]) -> None:
    error = error_for(*pieces)
    assert isinstance(error, NetworkError)
    assert error.retryable


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[1]", b"null", b'{"a": NaN}', b'{"a":1,"a":2}', b"\xff", b"[" * 99_999],
    ids=lambda body: body[:9].decode("latin-1"),
)
def test_an_answer_nobody_can_read_is_trouble_of_the_provider(body: bytes) -> None:
    error = error_for(http(body))
    assert isinstance(error, ServerError)
    assert (error.retryable, error.status_code, error.provider) == (True, 200, "acme")


def test_a_broken_compression_is_trouble_of_the_provider() -> None:
    error = error_for(http(b"no gzip", "200 OK", "content-encoding: gzip"))
    assert isinstance(error, ServerError)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error": {"message": "m", "code": "c", "type": "t"}}', "m", "c"),
        (b'{"error": {"message": "m", "code": null, "type": "t"}}', "m", "t"),
        (b'{"error": "m"}', "m", None),
        (b'{"message": "m"}', "m", None),
        (b"<h1>Teapot</h1>", "<h1>Teapot</h1>", None),
        (b"", "Teapot", None),
        (b"[1]", "[1]", None),
    ],
)
def test_the_words_of_an_error_are_found_in_whatever_shape(
    body: bytes, message: str, code: str | None
) -> None:
    error = error_for(http(body, "418 Teapot", "retry-after: 3"))
    assert isinstance(error, ProviderError)
    assert error.message == f"acme answered 418: {message}"
    assert (error.error_code, error.retry_after) == (code, 3.0)


def test_a_page_of_html_does_not_flood_the_message() -> None:
    assert len(str(error_for(http(b"x" * 100_000, "502 Bad Gateway")))) < 600


def test_a_redirect_is_not_followed_with_the_key() -> None:
    error = error_for(http(b"", "302 Found", "location: http://127.0.0.1:1/"))
    assert isinstance(error, ProviderError)
    assert error.status_code == 302


def test_a_key_that_is_repeated_by_the_provider_is_hidden() -> None:
    body = f'{{"error": {{"message": "no {KEY}", "code": "{KEY}", "keys": ["{KEY}"]}}}}'
    error = error_for(http(body.encode(), "401 Unauthorized"))
    assert isinstance(error, ProviderError)
    assert error.message == "acme answered 401: no [key]"
    assert KEY not in repr((error, error.raw, error.error_code))
    assert KEY not in str(error_for(http(f"<p>{KEY}</p>".encode(), "500 Oops")))
    assert KEY not in str(error_for(f"HTTP/9.9 {KEY}\r\n\r\n".encode()))


def test_a_key_that_is_no_secret_does_not_garble_the_words() -> None:
    with answering(http(b"example", "500 Oops")) as (url, _), pytest.raises(ServerError) as caught:
        post(endpoint(url, key="x"))
    assert caught.value.message == "acme answered 500: example"


@pytest.mark.parametrize("key", ["", "sk-secret\n", "sk-sécret", "sk-secret\x00"])
def test_a_key_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="the key of acme is empty or holds") as caught:
        endpoint("https://example.org", key=key)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["", "example.org", "ftp://example.org", "http://h:port"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        Transport(endpoint(url))


def test_nothing_that_can_be_printed_shows_a_key() -> None:
    place = endpoint("https://example.org")
    # litellm is given the key of a provider that it asks.
    environ = {f"{name.upper()}_API_KEY": KEY for name in [*provider_registry(), "deepseek"]}
    environ |= {"OPENAI_COMPATIBLE_BASE_URL": "https://example.org"}
    parts = provider_registry().values()
    adapters = [part.from_env(environ, timeout=SLOW) for part in parts]
    assert None not in adapters
    assert KEY not in repr((place, Transport(place), adapters))


@pytest.mark.parametrize("value", ["a\nb", "é"])
def test_a_header_that_cannot_be_sent_is_a_mistake_of_the_set_up(value: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = endpoint(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(ConfigurationError, match="a header for acme cannot be sent"):
            post(place, odd=value)


@pytest.mark.parametrize("value", [float("nan"), "\ud800"], ids=["nan", "half a character"])
def test_a_request_that_cannot_be_written_is_never_sent(value: float | str) -> None:
    with pytest.raises(InvalidRequestError, match="the request to acme cannot be written as JSON"):
        post(endpoint("http://127.0.0.1:1"), {"value": value})


def test_cancelling_closes_the_connection() -> None:
    async def main() -> None:
        arrived, gone = asyncio.Event(), asyncio.Event()

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            arrived.set()
            assert await reader.read() == b""
            gone.set()
            writer.close()

        async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            transport = Transport(endpoint(f"http://127.0.0.1:{port}"))
            asking = asyncio.create_task(transport.post("v1/ask", {}, lambda reply: reply))
            await arrived.wait()
            asking.cancel()
            async with asyncio.timeout(1):
                await gone.wait()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await transport.close()

    asyncio.run(main())


def test_in_another_event_loop_new_connections_are_opened() -> None:
    with in_background(ProviderTwin(parse_script(ANSWERED))) as twin:
        transport = Transport(endpoint(twin.url))
        for _ in range(2):
            body: JsonObject = {"model": "any", "input": "hello"}
            posting = transport.post("v1/responses", body, lambda reply: reply.body)
            assert asyncio.run(posting).text("object")
        asyncio.run(transport.close())


def test_a_key_is_hidden_however_it_was_escaped() -> None:
    escaped = "".join(f"\\u{ord(one):04x}" for one in KEY)
    error = error_for(http(f'{{"error": {{"message": "no {escaped}"}}}}'.encode(), "401 No"))
    assert isinstance(error, ProviderError)
    assert KEY not in repr((error, error.raw))


def test_a_key_in_what_is_read_of_a_good_answer_is_hidden() -> None:
    def fail(reply: Reply) -> None:
        raise ServerError(f"no {KEY}", provider="acme", error_code=KEY, raw={"told": [KEY]})

    async def posting(url: str) -> None:
        transport = Transport(endpoint(url))
        try:
            await transport.post("v1/ask", {}, fail)
        finally:
            await transport.close()

    with answering(http(b"{}")) as (url, _), pytest.raises(ServerError) as caught:
        asyncio.run(posting(url))
    error = caught.value
    assert error.message == "no [key]"
    assert KEY not in repr((error, error.args, error.raw, error.error_code))


def test_a_number_is_how_long_a_whole_answer_may_take() -> None:
    place = Endpoint("acme", "https://example.org", KEY, {}, 30.0)
    assert place.limits == AdapterTimeout(request=30.0)
