import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given, strategies as st

from attractor.base.json import JsonObject
from attractor.llm import (
    AdapterTimeout,
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    ProviderError,
    RateLimitInfo,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
    provider_registry,
)
from attractor.llm.transport.headers import (
    ANTHROPIC_LIMITS,
    OPENAI_LIMITS,
    read_rate_limit,
    read_retry_after,
)
from attractor.llm.transport.http import Endpoint, PerLoop, Reply, Transport, read_server_events
from tests.patience import PATIENCE_S
from tests.tables import table

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
    """Read one request; in these tests its body ends with a brace."""
    received = b""
    while not received.endswith(b"}") and (piece := connection.recv(65536)):
        received += piece
    return received


@contextmanager
def answering(*pieces: bytes, stays: bool = False) -> Generator[tuple[str, list[bytes]]]:
    """Answer one connection with exactly these bytes; yield the address and the requests."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            # A failure before the request must not block the end.
            server.settimeout(20)
            connection, _ = server.accept()
            with connection:
                received.append(receive(connection))
                for piece in pieces:
                    connection.sendall(piece)
                if stays:
                    done.wait(PATIENCE_S)

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


def test_refused_connection_is_a_network_error_with_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NetworkError, match=f"acme at 127.0.0.1:{port}: ConnectError") as caught:
        post(endpoint(f"http://user:{KEY}@127.0.0.1:{port}"))
    assert caught.value.retryable
    assert KEY not in str(caught.value)


def test_missing_answer_has_a_time_limit() -> None:
    error = error_for(stays=True, timeout=QUICK)
    assert isinstance(error, RequestTimeoutError)
    assert error.message == "acme did not answer within 0.1 s"
    assert not error.retryable


def test_slow_answer_has_a_time_limit() -> None:
    head = http(b"x" * 100)[:-100]
    assert isinstance(error_for(head, b"{", stays=True, timeout=QUICK), RequestTimeoutError)


@contextmanager
def without_room() -> Generator[str]:
    """Yield the address of a server that accepts no connection."""
    with socket.socket() as server, contextlib.ExitStack() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            # The server does not accept these, so that there is no place for another.
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_connection_has_a_time_limit() -> None:
    with (
        without_room() as url,
        pytest.raises(RequestTimeoutError, match=r"cannot connect to .* within 0\.1 s"),
    ):
        post(endpoint(url, timeout=AdapterTimeout(connect=0.1, request=30)))


@table(
    "pieces",
    [[], [http(b"x" * 100)[:-50]], [b"\x00\xff nonsense\r\n\r\n"], [b"HTTP/1.1 200"]],
    ids=["closed", "cut", "nonsense", "half a head"],
)
def test_a_broken_connection_is_trouble_of_the_network(pieces: list[bytes]) -> None:
    error = error_for(*pieces)
    assert isinstance(error, NetworkError)
    assert error.retryable


@table(
    "body",
    [b"", b"hello", b"[1]", b"null", b'{"a": NaN}', b'{"a":1,"a":2}', b"\xff", b"[" * 99_999],
)
def test_malformed_answer_is_a_provider_error(body: bytes) -> None:
    error = error_for(http(body))
    assert isinstance(error, ServerError)
    assert (error.retryable, error.status_code, error.provider) == (True, 200, "acme")


def test_a_broken_compression_is_trouble_of_the_provider() -> None:
    error = error_for(http(b"no gzip", "200 OK", "content-encoding: gzip"))
    assert isinstance(error, ServerError)


@table(
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
def test_message_is_found_in_any_error_body(body: bytes, message: str, code: str | None) -> None:
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


def test_short_key_is_not_redacted() -> None:
    with answering(http(b"example", "500 Oops")) as (url, _), pytest.raises(ServerError) as caught:
        post(endpoint(url, key="x"))
    assert caught.value.message == "acme answered 500: example"


@table("key", ["", "sk-secret\n", "sk-sécret", "sk-secret\x00"])
def test_a_key_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid API key of acme") as caught:
        endpoint("https://example.org", key=key)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@table("url", ["", "example.org", "ftp://example.org", "http://h:port"])
def test_invalid_base_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        Transport(endpoint(url))


def test_representations_contain_no_key() -> None:
    place = endpoint("https://example.org")
    # litellm gets the key of a provider.
    environ = {f"{name.upper()}_API_KEY": KEY for name in [*provider_registry(), "deepseek"]}
    environ |= {"OPENAI_COMPATIBLE_BASE_URL": "https://example.org"}
    parts = provider_registry().values()
    adapters = [part.from_env(environ, timeout=SLOW) for part in parts]
    assert None not in adapters
    assert KEY not in repr((place, Transport(place), adapters))


@table("value", ["a\nb", "é"])
def test_a_header_that_cannot_be_sent_is_a_mistake_of_the_set_up(value: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = endpoint(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(ConfigurationError, match="invalid header for acme"):
            post(place, odd=value)


@table("value", [float("nan"), "\ud800"], ids=["nan", "half a character"])
def test_a_request_that_cannot_be_written_is_never_sent(value: float | str) -> None:
    with pytest.raises(InvalidRequestError, match="the request to acme is not valid JSON"):
        post(endpoint("http://127.0.0.1:1"), {"value": value})


def test_key_is_redacted_in_every_escaping() -> None:
    escaped = "".join(f"\\u{ord(one):04x}" for one in KEY)
    error = error_for(http(f'{{"error": {{"message": "no {escaped}"}}}}'.encode(), "401 No"))
    assert isinstance(error, ProviderError)
    assert KEY not in repr((error, error.raw))


def test_key_in_an_answer_is_redacted() -> None:
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


def test_number_is_the_time_limit_of_an_answer() -> None:
    place = Endpoint("acme", "https://example.org", KEY, {}, 30.0)
    assert place.limits == AdapterTimeout(request=30.0)


DATE = "Mon, 02 Nov 2026 10:00:00 GMT"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_retry_after_is_seconds_or_a_date() -> None:
    for text, seconds in (
        ("2", 2.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("Mon, 02 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 02 Nov 2026 09:00:00 GMT", 0.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ):
        assert read_retry_after({"retry-after": text, "date": DATE}) == seconds


def test_retry_date_counts_from_this_machine_without_the_date_of_the_answer() -> None:
    for seconds, low, high in ((60, 50, 60), (-60, 0, 0)):
        text = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        for date in ({}, {"date": "soon"}):
            waits = read_retry_after({"retry-after": text, **date})
            assert waits is not None
            assert low <= waits <= high
    assert read_retry_after({}) is None


def test_the_moment_of_a_reset_is_a_date_or_a_span() -> None:
    for reset, moment, seconds in (
        ("2h", NOON, 7200),
        ("1h59m60s", NOON, 7200),
        ("6m0s", datetime(2026, 11, 2, 10, 6, tzinfo=UTC), 360),
        ("120ms", datetime(2026, 11, 2, 10, 0, 0, 120_000, tzinfo=UTC), 0.12),
        ("2026-11-02T12:00:00Z", NOON, 7200),
        ("2026-11-02T09:00:00Z", datetime(2026, 11, 2, 9, tzinfo=UTC), 0),
        ("9999999999999h", None, 9999999999999 * 3600),
        ("9" * 400 + "h", None, None),
        ("later", None, None),
    ):
        headers = {"x-ratelimit-reset-requests": reset, "date": DATE}
        info = RateLimitInfo(reset_at=moment, reset_after=seconds)
        assert read_rate_limit(headers, OPENAI_LIMITS) == info


def test_a_span_is_known_without_the_date_of_the_answer() -> None:
    spanned = read_rate_limit({"x-ratelimit-reset-requests": "2s"}, OPENAI_LIMITS)
    assert spanned == RateLimitInfo(reset_after=2.0)
    dated = read_rate_limit({"x-ratelimit-reset-requests": "2026-11-02T12:00:00Z"}, OPENAI_LIMITS)
    assert dated == RateLimitInfo(reset_at=NOON)


@table(
    ("requests", "tokens", "seconds"),
    [("9", "0", 20), ("0", "9", 1), ("0", "0", 20), ("9", "9", 1), ("9", None, 1)],
)
@table("names", [OPENAI_LIMITS, ANTHROPIC_LIMITS], ids=["openai", "anthropic"])
def test_reset_is_that_of_the_exhausted_limit(
    names: Mapping[str, str], requests: str, tokens: str | None, seconds: int
) -> None:
    spans = ("1s", "20s")
    if names is ANTHROPIC_LIMITS:
        spans = ("2026-11-02T10:00:01Z", "2026-11-02T10:00:20Z")
    headers = {
        names["requests_remaining"]: requests,
        names["requests_reset"]: spans[0],
        names["tokens_reset"]: spans[1],
        "date": DATE,
    }
    if tokens is not None:
        headers[names["tokens_remaining"]] = tokens
    found = read_rate_limit(headers, names)
    assert found is not None
    assert found.reset_after == seconds
    assert found.reset_at == datetime(2026, 11, 2, 10, 0, seconds, tzinfo=UTC)


def test_each_provider_has_names_of_its_own() -> None:
    openai = {"x-ratelimit-remaining-requests": "9", "x-ratelimit-limit-tokens": "100"}
    assert read_rate_limit(openai, OPENAI_LIMITS) == RateLimitInfo(9, tokens_limit=100)
    anthropic = {"anthropic-ratelimit-requests-limit": "50"}
    assert read_rate_limit(anthropic, ANTHROPIC_LIMITS) == RateLimitInfo(requests_limit=50)
    assert read_rate_limit(openai, ANTHROPIC_LIMITS) is None


@given(st.text(), st.text(), st.text())
def test_no_header_breaks_anything(one: str, two: str, three: str) -> None:
    seconds = read_retry_after({"retry-after": one, "date": two})
    assert seconds is None or seconds >= 0
    names = {"x-ratelimit-remaining-requests": one, "date": two}
    limit = read_rate_limit(names | {"x-ratelimit-reset-requests": three}, OPENAI_LIMITS)
    assert isinstance(limit, RateLimitInfo)
    assert limit.requests_limit is None
    assert limit.reset_at is None or limit.reset_at.tzinfo is not None
    assert limit.reset_after is None or limit.reset_after >= 0


@table("year", ["99999999999999999999", "10000"])
def test_an_impossible_date_is_no_date(year: str) -> None:
    impossible = DATE.replace("2026", year)
    assert read_retry_after({"retry-after": impossible, "date": DATE}) is None


STREAM = {"content-type": "text/event-stream; charset=utf-8"}


def read(content: bytes, headers: dict[str, str] = STREAM) -> list[JsonObject]:
    async def reading() -> list[JsonObject]:
        response = httpx.Response(200, headers=headers, content=content)
        events = read_server_events(response, provider="acme", timeout=10)
        return [one.raw async for one in events]

    return asyncio.run(reading())


@table("line_end", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_with_comments_and_other_fields(line_end: bytes) -> None:
    lines = [b": comment", b"event: a", b"retry: 3", b'data: {"a":', b'data:"\xc3\xa9"}', b""]
    more = [b"id: 1", b"", b"data:", b"", b'data: {"b": "\xe2\x80\xa8"}', b"", b""]
    assert read(line_end.join([*lines, *more])) == [{"a": "é"}, {"b": "\u2028"}]


@pytest.mark.anyio
async def test_comments_of_a_server_count_as_data_within_the_time_limit() -> None:
    async def content() -> AsyncGenerator[bytes]:
        for _ in range(6):
            yield b": keep-alive\n\n"
            await asyncio.sleep(0.2)
        yield b'data: {"a": 1}\n\n'

    response = httpx.Response(200, headers=STREAM, content=content())
    events = read_server_events(response, provider="acme", timeout=1)
    assert [one.raw async for one in events] == [{"a": 1}]


def test_data_after_the_end_is_not_read() -> None:
    assert read(b'data: {"a": 1}\n\ndata: [DONE]\n\ndata: {"b": NaN}\n\n') == [{"a": 1}]


@pytest.mark.anyio
async def test_malformed_event_is_reported_after_earlier_events() -> None:
    content = b'data: {"a": 1}\n\ndata: {"a": NaN}\n\n'
    response = httpx.Response(200, headers=STREAM, content=content)
    events = read_server_events(response, provider="acme", timeout=10)
    first = await anext(events)
    with pytest.raises(StreamError, match="invalid event in the stream of acme"):
        await anext(events)
    assert first.raw == {"a": 1}


def test_invalid_field_is_an_error_of_the_stream() -> None:
    async def reading() -> SDKError:
        response = httpx.Response(200, headers=STREAM, content=b'data: {"a": 1}\n\n')
        async for one in read_server_events(response, provider="acme", timeout=10):
            return one.error("a", "a text")
        raise AssertionError

    error = asyncio.run(reading())
    assert isinstance(error, StreamError)
    assert error.message == "malformed stream of acme: an event.a is not a text"


def test_answer_of_another_type_is_refused() -> None:
    with pytest.raises(ServerError, match="the answer of acme is not a stream"):
        read(b'data: {"a": 1}\n\n', {"content-type": "text/html"})


def test_a_broken_compression_is_an_error_of_the_stream() -> None:
    class Zipped(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield b"no gzip"

    async def reading() -> None:
        headers = {**STREAM, "content-encoding": "gzip"}
        response = httpx.Response(200, headers=headers, stream=Zipped())
        await anext(read_server_events(response, provider="acme", timeout=10))

    with pytest.raises(StreamError, match="corrupt compression in the stream of acme"):
        asyncio.run(reading())


class ConnectionRecords:
    """Counts opened connections, and records the number of each closed one."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.keeper = PerLoop(self._make, self._close)

    def _make(self) -> int:
        self.made += 1
        return self.made

    async def _close(self, one: int) -> None:
        await asyncio.sleep(0)
        self.closed.append(one)


def test_each_loop_has_one_client_that_closes_with_it() -> None:
    kept = ConnectionRecords()

    async def asking() -> list[int]:
        return [await kept.keeper.find(), await kept.keeper.find()]

    assert asyncio.run(asking()) == [1, 1]
    assert kept.closed == [1]
    assert asyncio.run(asking()) == [2, 2]
    assert kept.closed == [1, 2]


def test_closed_transport_is_replaced() -> None:
    kept = ConnectionRecords()

    async def asking() -> list[int]:
        await kept.keeper.close()
        first = await kept.keeper.find()
        await kept.keeper.close()
        assert kept.closed == [first]
        return [first, await kept.keeper.find()]

    assert asyncio.run(asking()) == [1, 2]
    assert kept.closed == [1, 2]


def test_loops_of_two_threads_have_separate_clients() -> None:
    kept = ConnectionRecords()

    async def here() -> list[int]:
        there = await asyncio.to_thread(lambda: asyncio.run(kept.keeper.find()))
        return [await kept.keeper.find(), there]

    assert sorted(asyncio.run(here())) == [1, 2]
    assert sorted(kept.closed) == [1, 2]
