"""A reverse proxy that adds the API key of a provider, for programs that must not see the key.

The proxy listens on the loopback of this process. A program gets the URL of the proxy and a
placeholder key, which every request must carry. The proxy serves only the paths of model calls, and
logs nothing.
"""

import re
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from hmac import compare_digest
from types import MappingProxyType
from urllib.parse import unquote

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from attractor.backends.models import KEYS
from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment
from attractor.twins.errors import Rejection
from attractor.twins.server.hosting import LOOPBACK, listen, read_body, serve

_TIMEOUT = httpx.Timeout(connect=10, read=600, write=60, pool=None)
_KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
# Headers of one connection, and headers with keys.
_NOT_FORWARDED = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "host", "content-length", "cookie", *_KEY_HEADERS),
    }
)


@dataclass(frozen=True)
class Upstream:
    """The API of a provider: base URL, header of the key, and paths that programs may use.

    The variable `url_variable` replaces the base URL. `version` is removed from the end of the base
    URL, because the paths of programs begin with it. `variables` are read by programs.
    """

    url_variable: str
    url: str
    header: str
    paths: re.Pattern[str]
    keys: tuple[str, ...]
    variables: tuple[str, ...]
    version: str = ""

    def base_url(self, environ: Mapping[str, str]) -> str:
        """Return the base URL without a version."""
        url = environ.get(self.url_variable, "").strip() or self.url
        return re.sub(f"{self.version}$", "", url.rstrip("/"))

    def key_headers(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the header with the key of the operator; local servers often need no key."""
        key = next(filter(None, (environ.get(name, "").strip() for name in self.keys)), "")
        value = f"Bearer {key}" if self.header == "authorization" else key
        return {self.header: value} if key else {}


_CHAT = re.compile(r"GET /models(/.+)?|POST /(chat/completions|responses(/compact)?)")
_MESSAGES = re.compile(r"GET /v1/models(/.+)?|POST /v1/messages(/count_tokens)?")
_CONTENTS = re.compile(
    r"GET /v1\w*/models(/[^/:]+)?"
    r"|POST /v1\w*/models/[^/:]+:(generateContent|streamGenerateContent|countTokens)"
)
UPSTREAMS: Mapping[str, Upstream] = MappingProxyType(
    {
        "anthropic": Upstream(
            "ANTHROPIC_BASE_URL",
            "https://api.anthropic.com",
            "x-api-key",
            _MESSAGES,
            KEYS["anthropic"],
            ("ANTHROPIC_BASE_URL",),
            version="/v1",
        ),
        "gemini": Upstream(
            "GEMINI_BASE_URL",
            "https://generativelanguage.googleapis.com",
            "x-goog-api-key",
            _CONTENTS,
            KEYS["gemini"],
            ("GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
            version=r"/v\d\w*",
        ),
        "openai": Upstream(
            "OPENAI_BASE_URL",
            "https://api.openai.com/v1",
            "authorization",
            _CHAT,
            KEYS["openai"],
            ("OPENAI_BASE_URL",),
        ),
        "openai_compatible": Upstream(
            "OPENAI_COMPATIBLE_BASE_URL",
            "",
            "authorization",
            _CHAT,
            ("OPENAI_COMPATIBLE_API_KEY",),
            ("OPENAI_COMPATIBLE_BASE_URL",),
        ),
    }
)


@dataclass(frozen=True)
class ModelAccess:
    """The URL and the placeholder key by which a program reaches the models of a provider."""

    provider: str
    url: str
    key: str

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables of the provider, with this URL and this key."""
        upstream = UPSTREAMS[self.provider]
        return {**dict.fromkeys(upstream.variables, self.url), upstream.keys[0]: self.key}


@asynccontextmanager
async def offer_models(
    provider: str, environ: Mapping[str, str], environment: ExecutionEnvironment
) -> AsyncGenerator[ModelAccess]:
    """Let the programs of an environment call a provider, with the key of the operator."""
    key = f"placeholder-{secrets.token_hex(16)}"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
        )
        proxy = _Proxy(UPSTREAMS[provider], environ, key, client)
        listener = listen(LOOPBACK, 0)
        address = f"{LOOPBACK}:{listener.getsockname()[1]}"
        await stack.enter_async_context(serve(proxy, listener))
        await stack.enter_async_context(environment.offer(listener.getsockname()[1], address))
        yield ModelAccess(provider, f"http://{address}", key)


class _Proxy:
    """An ASGI application that forwards model calls to a provider."""

    def __init__(
        self, upstream: Upstream, environ: Mapping[str, str], key: str, client: httpx.AsyncClient
    ) -> None:
        self._paths = upstream.paths
        self._base_url = upstream.base_url(environ)
        self._headers = upstream.key_headers(environ)
        self._key = key
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request, and stream the response."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        # A client would resolve `..` after this check.
        is_plain = not {".", ".."} & {*unquote(request.url.path).split("/")}
        if not is_plain or not self._paths.fullmatch(f"{request.method} {request.url.path}"):
            return _refuse(404, f"{request.method} {request.url.path} is not a model call")
        if not self._has_key(request):
            return _refuse(401, "the placeholder key is missing")
        try:
            content = await read_body(request)
        except Rejection as error:
            return _refuse(error.status, error.message)
        headers = [(name, value) for name, value in request.headers.items()]
        forwarded = self._client.build_request(
            request.method,
            f"{self._base_url}{request.url.path}",
            params=[one for one in request.query_params.multi_items() if one[0] != "key"],
            headers=[one for one in headers if one[0] not in _NOT_FORWARDED]
            + [*self._headers.items()],
            content=content,
        )
        try:
            answer = await self._client.send(forwarded, stream=True)
        except httpx.HTTPError as error:
            return _refuse(502, f"the provider is unreachable: {type(error).__name__}")
        return _streamed(answer)

    def _has_key(self, request: Request) -> bool:
        given = [request.headers.get(name, "") for name in _KEY_HEADERS]
        given.append(request.query_params.get("key", ""))
        keys = (one.removeprefix("Bearer ").encode() for one in given)
        return any(compare_digest(one, self._key.encode()) for one in keys)


def _streamed(answer: httpx.Response) -> StreamingResponse:
    # Raw, so that the body is still compressed as its headers say.
    response = StreamingResponse(
        answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
    )
    response.raw_headers = [
        (name.lower(), value)
        for name, value in answer.headers.raw
        if name.decode("latin-1").lower() not in _NOT_FORWARDED - {"content-length"}
    ]
    return response


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"error": {"type": "proxy_error", "message": message}}, status)
