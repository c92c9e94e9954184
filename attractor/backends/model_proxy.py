"""A reverse proxy that adds the API key of a provider, for programs that must not see the key.

The proxy listens on the loopback of this process. A program gets the URL of the proxy and a
placeholder key, which every request must carry. The proxy serves only the paths of model calls, and
logs nothing. A key that the provider sends back is replaced by asterisks. The proxy reads the usage
of each answer, also of an answer that is cut.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from dataclasses import field
from hmac import compare_digest
from http import HTTPStatus
from urllib.parse import unquote

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from attractor.backends.answer_usage import CallUsage, UsageReader, is_model_call
from attractor.backends.login_tokens import LoginCredentials, LoginLost
from attractor.backends.upstreams import upstream_of
from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.secret_search import forms_of
from attractor.config.logins import Login, LoginPlace
from attractor.engine.seams import Exhausted
from attractor.engine.storage.secrets import is_common
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.ports import offer_any
from attractor.twins.errors import Rejection
from attractor.twins.server.hosting import LOOPBACK, listen, read_body, serve, until_disconnected
from attractor.twins.server.proxy import LAST_STATUS

_TIMEOUT = httpx.Timeout(connect=10, read=600, write=60, pool=None)
_KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
# Headers of one connection, and headers with keys.
_NOT_FORWARDED = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "host", "content-length", "cookie", "accept-encoding"),
        *_KEY_HEADERS,
    }
)
# httpx always decodes these.
_ENCODINGS = ("identity", "gzip", "deflate")
_LONGEST_ERROR = 4_000
# The provider has the request, and may bill it.
_AFTER_SENDING = (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError)


@dataclass(frozen=True)
class ModelAccess:
    """The URL and the placeholder key by which a program reaches the models of a provider.

    With `login`, the program finds the placeholder where it looks for its login. `settings` are
    more variables, by which a program finds a cloud.
    """

    provider: str
    url: str
    key: str
    login: LoginPlace | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def key_variable(self) -> str:
        """The variable of the placeholder; a login without a variable is a file of the program."""
        upstream = upstream_of(self.provider)
        return self.login.variable if self.login else upstream.header_variable or upstream.keys[0]

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables of the provider, with this URL and this key."""
        name, upstream = self.key_variable, upstream_of(self.provider)
        key = f"x-api-key: {self.key}" if name == upstream.header_variable else self.key
        urls = dict.fromkeys(upstream.variables, self.url)
        return {**urls, **self.settings, name: key} if name else {}


@dataclass(frozen=True)
class ProviderAnswer:
    """The answer of a provider to one request, as the proxy saw it.

    `headers` are all headers of the answer, with lower-case names and without the key of the
    operator. `error` is the beginning of an error's body, or an error inside of a stream. The
    `status` is 0 if the call ended before an answer. Only calls of a model have `usage`.
    With `is_login_lost`, a person has to log in again, as `error` says.
    """

    provider: str
    status: int
    headers: Mapping[str, str]
    error: str = ""
    usage: CallUsage | None = None
    is_login_lost: bool = False


@asynccontextmanager
async def offer_models(
    provider: str,
    environ: Mapping[str, str],
    environment: ExecutionEnvironment,
    *,
    login: Login | None = None,
    require_budget: Callable[[], object] = do_nothing,
    on_call: Callable[[CallUsage], AbstractContextManager[None]] = lambda _: nullcontext(),
    on_answer: Callable[[ProviderAnswer], object] = do_nothing,
) -> AsyncGenerator[ModelAccess]:
    """Let the programs of an environment call a provider, with the key or login of the operator.

    A model call is refused if `require_budget` raises Exhausted. It is forwarded within the context
    of `on_call`, which gets its estimated usage. `on_answer` is called for each
    answer before the program gets the end of the answer, and for each call that was cut.
    """
    key = f"placeholder-{secrets.token_hex(16)}"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
        )
        proxy = _Proxy(provider, environ, key, client, require_budget, on_call, on_answer)
        if login:
            proxy.use_login(login, environ)
        listener = listen(LOOPBACK, 0)
        await stack.enter_async_context(serve(proxy, listener))
        offered = offer_any(environment, listener.getsockname()[1])
        address = f"{LOOPBACK}:{await stack.enter_async_context(offered)}"
        place, settings = login.place if login else None, upstream_of(provider).settings(environ)
        yield ModelAccess(provider, f"http://{address}", key, place, settings)


def _forms(secret: str) -> Sequence[bytes]:
    # A common word, such as the key of a local server, stays.
    return () if is_common(secret) else [form.encode() for form in forms_of(secret)]


class _Proxy:
    """An ASGI application that forwards model calls to a provider."""

    def __init__(
        self,
        provider: str,
        environ: Mapping[str, str],
        key: str,
        client: httpx.AsyncClient,
        require_budget: Callable[[], object],
        on_call: Callable[[CallUsage], AbstractContextManager[None]],
        on_answer: Callable[[ProviderAnswer], object],
    ) -> None:
        upstream = upstream_of(provider)
        self._paths = upstream.allowed(environ)
        self._base_url = upstream.base_url(environ)
        self._placeholder = key
        self._require_budget = require_budget
        self._query = upstream.query(environ)
        self._secrets = {*upstream.secrets(environ)}
        self._environ, self._upstream = environ, upstream
        self.login: LoginCredentials | None = None
        self.provider = provider
        self.client = client
        self.on_call = on_call
        self.on_answer = on_answer

    def use_login(self, login: Login, environ: Mapping[str, str]) -> None:
        """Add the token of a login in place of the key."""
        self.login = LoginCredentials(login, environ)
        upstream = upstream_of(self.provider)
        self._base_url = upstream.base_url(environ, login.place.url)

    async def sign(self, request: httpx.Request) -> Mapping[str, str]:
        """Return the headers with the key of the operator, or with a signature by the key."""
        if (headers := self._upstream.key_headers(self._environ)) or not self._upstream.sign:
            return headers
        signed = await asyncio.to_thread(self._upstream.sign, self._environ, request)
        self._secrets.add(signed.get("authorization", "").removeprefix("Bearer "))
        return signed

    @property
    def forms(self) -> Collection[bytes]:
        """The secrets in the forms that an answer could have; a login gets new ones meanwhile."""
        known = self.login.secrets if self.login else self._secrets
        return [form for secret in known for form in _forms(secret)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request, and stream the answer until the program disconnects."""
        request = Request(scope, receive)
        try:
            call = await self._check(request)
        except Rejection as error:
            await _refuse(error.status, error.message)(scope, receive, send)
            return
        forwarding = asyncio.ensure_future(call(scope, receive, send))
        disconnected = asyncio.ensure_future(until_disconnected(receive))
        try:
            await asyncio.wait({forwarding, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            disconnected.cancel()
            forwarding.cancel()
            await asyncio.gather(disconnected, forwarding, return_exceptions=True)
        if not forwarding.cancelled():
            forwarding.result()

    async def _check(self, request: Request) -> "_Call":
        """Return the call of the provider, or raise a Rejection."""
        # A client would resolve `..` after this check.
        method, path = request.method, request.url.path
        is_plain = not {".", ".."} & {*unquote(path).split("/")}
        if not is_plain or not self._paths.fullmatch(f"{method} {path}"):
            raise Rejection(404, f"{method} {path} is not a model call")
        if not self._has_key(request):
            raise Rejection(401, "the placeholder key is missing")
        content = await read_body(request)
        reader = None
        if is_model_call(method, path):
            reader = UsageReader(path, self.provider, content)
            try:
                self._require_budget()
            except Exhausted as spent:
                # A program does not repeat a request after this status.
                raise Rejection(402, str(spent)) from spent
        forwarded = self.client.build_request(
            method,
            f"{self._base_url}{path}",
            params=[
                *(pair for pair in request.query_params.multi_items() if pair[0] != "key"),
                *self._query.items(),
            ],
            headers=[
                *(header for header in request.headers.items() if header[0] not in _NOT_FORWARDED),
                # A key in a compressed answer would not be found.
                ("accept-encoding", "identity"),
            ],
            content=content,
        )
        return _Call(self, forwarded, reader)

    def _has_key(self, request: Request) -> bool:
        given = [request.headers.get(name, "") for name in _KEY_HEADERS]
        given.append(request.query_params.get("key", ""))
        keys = (key.removeprefix("Bearer ").encode() for key in given)
        return any(compare_digest(key, self._placeholder.encode()) for key in keys)


class _Call:
    """An ASGI application that forwards one request, and reports the answer once.

    The answer is reported before its end is sent, so that a program never continues with an answer
    whose usage could be lost.
    """

    def __init__(self, proxy: _Proxy, request: httpx.Request, reader: UsageReader | None) -> None:
        self._proxy = proxy
        self._request = request
        self._reader = reader
        self._scrubber = _Scrubber(())
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._is_reported = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the request, and pass the answer on."""
        estimate = self._reader.read() if self._reader else None
        with self._proxy.on_call(estimate) if estimate else nullcontext():
            await self._forward(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._send()
        except LoginLost as lost:
            words = f"{lost.message}; {lost.hint}"
            self._report(words, is_login_lost=True)
            # A program does not repeat a request after this status.
            await _refuse(402, words)(scope, receive, send)
            return
        except httpx.HTTPError as error:
            if isinstance(error, _AFTER_SENDING):
                self._report()
            refusal = _refuse(502, f"the provider is unreachable: {type(error).__name__}")
            await refusal(scope, receive, send)
            return
        except asyncio.CancelledError:
            self._report()
            raise
        self._status = answer.status_code
        self._headers = {
            name: self._scrub(value.encode()).decode() for name, value in answer.headers.items()
        }
        try:
            encoding = answer.headers.get("content-encoding", "identity")
            if encoding not in _ENCODINGS or answer.status_code > LAST_STATUS:
                about = f"status {answer.status_code}, encoding {encoding}"
                refusal = _refuse(502, f"the provider sent an invalid answer: {about}")
                await refusal(scope, receive, send)
            elif answer.is_success:
                await self._pass_on(answer, send)
            else:
                await self._pass_error_on(answer, send)
        finally:
            self._report()
            await answer.aclose()

    async def _send(self) -> httpx.Response:
        """Send the request with the key, or the token of a login, which is renewed once."""
        proxy, request, login = self._proxy, self._request, self._proxy.login
        added = await login.headers() if login else await proxy.sign(request)
        request.headers.update(added)
        answer = await proxy.client.send(request, stream=True)
        if login and answer.status_code == HTTPStatus.UNAUTHORIZED:
            await answer.aclose()
            request.headers.update(await login.headers(refused=added))
            answer = await proxy.client.send(request, stream=True)
        self._scrubber = _Scrubber(proxy.forms)
        return answer

    async def _pass_on(self, answer: httpx.Response, send: Send) -> None:
        """Pass an answer on: a stream piece by piece, an object as a whole, to read its usage."""
        reader, body, is_stream = self._reader, list[bytes](), False
        await send(self._head(answer))
        try:
            async for piece in answer.aiter_bytes():
                # The first piece decides: later pieces of a stream can begin with a brace too.
                if reader and not is_stream and (body or piece.lstrip()[:1] in (b"{", b"[")):
                    body.append(piece)
                    continue
                is_stream = is_stream or bool(piece.strip())
                if reader:
                    reader.take(piece)
                    if reader.is_over:
                        self._report()
                await send(_body(self._scrubber.take(piece)))
        except httpx.HTTPError:
            # The server closes the connection of an incomplete answer.
            return
        finally:
            if reader and body:
                reader.take_whole(b"".join(body))
        self._report()
        rest = self._scrubber.take(b"".join(body)) + self._scrubber.end()
        await send(_body(rest, is_last=True))

    async def _pass_error_on(self, answer: httpx.Response, send: Send) -> None:
        pieces = list[bytes]()
        with suppress(httpx.HTTPError):
            async for piece in answer.aiter_bytes():
                pieces.append(self._scrubber.take(piece))
        body = b"".join([*pieces, self._scrubber.end()])
        self._reader = None
        self._report(body[:_LONGEST_ERROR].decode("utf-8", "replace"))
        await send(self._head(answer))
        await send(_body(body, is_last=True))

    def _report(self, error: str = "", *, is_login_lost: bool = False) -> None:
        if self._is_reported:
            return
        self._is_reported = True
        usage = None
        if self._reader and not is_login_lost:
            usage = self._reader.read()
            error = self._scrub(self._reader.error.encode()).decode()
        self._proxy.on_answer(
            ProviderAnswer(
                self._proxy.provider, self._status, self._headers, error, usage, is_login_lost
            )
        )

    def _head(self, answer: httpx.Response) -> Message:
        dropped = _NOT_FORWARDED - {"content-length"}
        if "content-encoding" in answer.headers:
            # The body is decompressed, and has another length.
            dropped |= {"content-length", "content-encoding"}
        headers = [
            (self._scrub(name.lower()), self._scrub(value))
            for name, value in answer.headers.raw
            if name.decode("latin-1").lower() not in dropped
        ]
        return {
            "type": "http.response.start",
            "status": answer.status_code,
            "headers": headers,
        }

    def _scrub(self, text: bytes) -> bytes:
        scrubber = _Scrubber(self._proxy.forms)
        return scrubber.take(text) + scrubber.end()


class _Scrubber:
    """Replaces a key in a stream by asterisks, also a key that is split over pieces."""

    def __init__(self, forms: Collection[bytes]) -> None:
        longest_first = sorted(forms, key=len, reverse=True)
        self._forms = longest_first
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)) or b"(?!)")
        self._held = b""

    def take(self, piece: bytes) -> bytes:
        """Return the next piece; its end is held back while it may be the beginning of a key."""
        text = self._pattern.sub(lambda found: b"*" * len(found[0]), self._held + piece)
        held = max((_overlap(text, form) for form in self._forms), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def end(self) -> bytes:
        """Return what was held back, at the end of the stream."""
        return self._held


def _overlap(text: bytes, form: bytes) -> int:
    """Return how many bytes at the end of a text are the beginning of a form."""
    start = max(0, len(text) - len(form) + 1)
    while (start := text.find(form[:1], start)) >= 0:
        if form.startswith(text[start:]):
            return len(text) - start
        start += 1
    return 0


def _body(piece: bytes, *, is_last: bool = False) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": not is_last}


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"error": {"type": "proxy_error", "message": message}}, status)
