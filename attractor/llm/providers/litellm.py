"""Adapter for all other providers: calls LiteLLM and translates its errors."""

import asyncio
import importlib
import json
import logging
import re
import threading
import uuid
import warnings
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, Self, TypeVar, cast

import anyio
import httpx

from attractor import __environ__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UnknownName
from attractor.base.installation import install_command
from attractor.base.json import Json, JsonObject, parse_json, parse_object
from attractor.llm.catalogue import LITELLM, NATIVE
from attractor.llm.client import AdapterTimeout, ProviderAdapter
from attractor.llm.errors import (
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
    error_from_status_code,
)
from attractor.llm.providers.chat_response import ChatStream, read_response
from attractor.llm.providers.litellm_http import (
    Exchange,
    MissingImageError,
    Pool,
    RecordingTransport,
    is_recording,
)
from attractor.llm.providers.litellm_providers import (
    Access,
    ProviderVariables,
    find_configured,
    find_variables,
)
from attractor.llm.providers.litellm_translation import (
    LiteLLMStream,
    dialect_of,
    end,
    is_whole,
    list_images,
    step,
    write_request,
)
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.headers import read_retry_after
from attractor.llm.transport.http import Reply, StreamReply, hide_keys
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream

_LONGEST_MESSAGE = 500
_AN_ERROR = re.compile(r"[45]\d\d")
# Statuses of errors inside streams, by the codes of several providers.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
}


@dataclass(frozen=True)
class ErrorContext:
    """Provider, secrets, connect timeout and kind of a failed call."""

    provider: str
    secrets: Sequence[str]
    connect: float
    is_stream: bool

    def hide(self, text: str) -> str:
        """Return a text without API keys."""
        return hide_keys(text, self.secrets)

    def shorten(self, text: str) -> str:
        """Return a shortened text without API keys."""
        return self.hide(text)[:_LONGEST_MESSAGE]


def read_error(trouble: Exception, exchange: Exchange, of: ErrorContext) -> SDKError:
    """Return the network error, otherwise the provider's error, otherwise litellm's error."""
    if exchange.error_event is not None:
        return _error_in_stream(exchange.error_event, of)
    if exchange.trouble is not None:
        return _network_error(exchange.trouble, exchange, of)
    if isinstance(trouble, SDKError):
        return trouble
    words = of.shorten(_message_of(trouble))
    if exchange.status is None:
        # An error of litellm itself, mostly for a request that litellm did not send.
        status: object = getattr(trouble, "status_code", None)
        code = status if isinstance(status, int) and 400 <= status < 600 else 400
        return error_from_status_code(code, words, provider=of.provider)
    if not 200 <= exchange.status < 300:
        return _provider_error(exchange, exchange.status, of)
    if of.is_stream:
        return StreamError(f"invalid stream of {of.provider}: {words}")
    message = f"invalid answer of {of.provider}: {words}"
    return ServerError(message, provider=of.provider, status_code=200)


def _network_error(trouble: httpx.RequestError, exchange: Exchange, of: ErrorContext) -> SDKError:
    if isinstance(trouble, MissingImageError):
        return InvalidRequestError(
            f"litellm does not send images to this model of {of.provider}",
            provider=of.provider,
            hint="remove the images, or use a model with vision",
        )
    if isinstance(trouble, httpx.ConnectTimeout):
        return RequestTimeoutError(f"cannot connect to {of.provider} within {of.connect:g} s")
    message = of.shorten(f"{type(trouble).__name__}: {trouble}".rstrip(": "))
    if isinstance(trouble, httpx.DecodingError):
        return StreamError(f"invalid stream of {of.provider}: {message}")
    if of.is_stream and exchange.status is not None:
        return StreamError(f"the stream of {of.provider} was interrupted: {message}")
    return NetworkError(f"{of.provider}: {message}")


def _provider_error(exchange: Exchange, status: int, of: ErrorContext) -> SDKError:
    raw = parse_object(of.hide(exchange.body)) or {}
    error = raw.get("error")
    details = error if isinstance(error, dict) else raw
    message = details.get("message") or error or exchange.body.strip() or "no reason given"
    code = details.get("code") or details.get("type")
    return error_from_status_code(
        status,
        of.shorten(str(message)),
        provider=of.provider,
        error_code=str(code) if code else None,
        retry_after=read_retry_after(exchange.headers),
        raw=raw or None,
    )


def _error_in_stream(error_event: JsonObject, of: ErrorContext) -> SDKError:
    """Return the error inside a stream."""
    raw = parse_object(of.hide(json.dumps(error_event, ensure_ascii=False))) or {}
    error = raw.get("error")
    details = error if isinstance(error, dict) else raw
    codes = [str(details[key]) for key in ("code", "type", "status") if details.get(key)]
    known = [_STATUSES[code] for code in codes if code in _STATUSES]
    known += [int(code) for code in codes if _AN_ERROR.fullmatch(code)]
    message = details.get("message") or error or "no reason given"
    return error_from_status_code(
        known[0] if known else 500,
        of.shorten(str(message)),
        provider=of.provider,
        error_code=codes[0] if codes else None,
        raw=raw,
    )


def _message_of(trouble: Exception) -> str:
    message: object = getattr(trouble, "message", None)
    return (
        message if isinstance(message, str) and message else f"{type(trouble).__name__}: {trouble}"
    )


# Without these, importing litellm uses the network and reads `.env` of the current folder.
_AT_IMPORT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",
    # The provider fetches images from their URLs.
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",
}
_SETTINGS = {
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "disable_streaming_logging": True,
    "disable_hf_tokenizer_download": True,
    "disable_aiohttp_transport": True,
    "telemetry": False,
    "drop_params": False,
    "modify_params": False,
    "num_retries": 0,
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_BUILT_LATE = (
    "Message",
    "Delta",
    "Choices",
    "StreamingChoices",
    "ModelResponse",
    "ModelResponseStream",
)
_LOADING = threading.Lock()
_CLIENT_OF_LITELLM = "async_httpx_client"


class Chunks(Protocol):
    """A streamed answer of litellm."""

    received_finish_reason: str | None
    intermittent_finish_reason: str | None

    def __aiter__(self) -> AsyncGenerator[Any]:
        """Yield the chunks."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


class Library(Protocol):
    """The functions of litellm that are used."""

    def acompletion(self, **parameters: object) -> Awaitable[Any]:
        """Call a model."""
        ...

    def get_supported_openai_params(
        self, *, model: str, custom_llm_provider: str
    ) -> Sequence[str] | None:
        """Return the parameters supported by a model."""
        ...


def load_litellm() -> Library:
    """Import and configure litellm; the first call takes seconds, and others wait for it."""
    with _LOADING:
        return _load_once()


@cache
def _load_once() -> Library:
    with _at_import():
        try:
            litellm: Any = importlib.import_module("litellm")
            handlers: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
            caching: Any = importlib.import_module("litellm.caching.llm_caching_handler")
            types: Any = importlib.import_module("litellm.types.utils")
        except ImportError as cause:
            raise ConfigurationError(
                f"cannot import litellm: {cause}",
                hint=f"install it again: {install_command('litellm', again=True)}",
            ) from cause
        # litellm otherwise builds the types of answers during the first call, with warnings.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in _BUILT_LATE:
                getattr(types, name).model_rebuild()
    for name, value in _SETTINGS.items():
        setattr(litellm, name, value)
    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
    _send_by(RecordingTransport(), litellm, handlers, caching)
    return cast(Library, litellm)


def _send_by(carrier: RecordingTransport, litellm: Any, handlers: Any, caching: Any) -> None:
    """Make litellm and its SDKs send requests through the transport of the adapter."""
    if litellm.aclient_session is None:
        litellm.aclient_session = httpx.AsyncClient(
            transport=carrier, timeout=None, trust_env=False
        )
    ours = handlers.AsyncHTTPHandler(transport=carrier, follow_redirects=False)

    class Clients(caching.LLMClientCache):
        def get_cache(self, key: str, **more: object) -> object:
            if is_recording() and key.startswith(_CLIENT_OF_LITELLM):
                return ours
            return caching.LLMClientCache.get_cache(self, key, **more)

    litellm.in_memory_llm_clients_cache = Clients()


@contextmanager
def _at_import() -> Generator[None]:
    """Set variables while litellm is imported, because only variables can configure litellm."""
    environ = cast(MutableMapping[str, str], __environ__())
    before = {name: environ.get(name) for name in _AT_IMPORT}
    environ.update(_AT_IMPORT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del environ[name]
            else:
                environ[name] = value


T = TypeVar("T")
# These providers require images to be uploaded first; requests contain their ids.
_UPLOADING = ("gigachat",)
_PIECES = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class LiteLLMTarget:
    """The target of a call: the provider, litellm's name for it, and the access parameters."""

    name: str
    provider: str
    access: Access


class Call:
    """One call; the model name in `request` has no provider prefix."""

    def __init__(
        self, request: Request, whom: LiteLLMTarget, pool: Pool, timeout: AdapterTimeout
    ) -> None:
        self.model = request.model
        self._request, self._whom, self._timeout = request, whom, timeout
        self._exchange = Exchange(pool, timeout.connect)
        self._speaker = dialect_of(whom.name, whom.provider, whom.access.route, request.model)
        self._warnings: Sequence[Warning] = ()

    async def complete(self) -> Response:
        """Send a request and return the whole answer."""
        ask = await self._prepare(is_stream=False)
        answer = await self._in_time(ask, self._timeout.request, is_stream=False)
        body = Fields(self._plain(answer, is_stream=False), provider=self._whom.name)
        reply = Reply(body, self._exchange.headers)
        response = read_response(reply, self._warnings, speaker=self._speaker)
        return response.with_model(self.model)

    def begin(self, headers: Mapping[str, str]) -> LiteLLMStream:
        """Return the properties of the answer that are known before the first piece."""
        origin = StreamOrigin(self._whom.name, headers, self._warnings)
        return LiteLLMStream(ChatStream(origin, self._speaker, uuid.uuid4().hex))

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[StreamReply]:
        """Send the request, and yield the stream of the answer until the block ends."""
        try:
            ask = await self._prepare(is_stream=True)
            chunks = cast(Chunks, await self._in_time(ask, self._timeout.request, is_stream=True))
            try:
                async with aclosing(self._pieces(chunks)) as pieces:
                    # For some providers, litellm sends the request when the first piece is read,
                    # which may raise an error.
                    first = await anext(pieces, None)

                    async def chained() -> AsyncGenerator[Fields]:
                        if first is not None:
                            yield first
                        async for piece in pieces:
                            yield piece

                    yield StreamReply(chained(), self._exchange.headers)
            finally:
                await chunks.aclose()
        finally:
            await self._exchange.close()

    async def _prepare(self, *, is_stream: bool) -> Callable[[], Awaitable[Any]]:
        """Return the function that sends the request. Loading litellm does not count as time of the
        provider.
        """
        library = await asyncio.to_thread(load_litellm)
        access, model = self._whom.access, self.model
        taken = library.get_supported_openai_params(model=model, custom_llm_provider=access.route)
        body, self._warnings = write_request(
            self._request,
            provider=self._whom.name,
            taken=taken,
            takes_cache_marks=access.takes_cache_marks,
        )
        self._exchange.images = () if access.route in _UPLOADING else list_images(body)
        parameters = {**access.parameters, **body, "model": f"{access.route}/{model}"}
        parameters |= _PIECES if is_stream else {}
        return lambda: library.acompletion(**parameters)

    async def _pieces(self, chunks: Chunks) -> AsyncGenerator[Fields]:
        pieces = aiter(chunks)
        while True:
            is_answered = self._exchange.status is not None
            wait = self._timeout.stream_read if is_answered else self._timeout.request
            chunk = await self._in_time(lambda: anext(pieces, None), wait, is_stream=True)
            if chunk is None:
                break
            piece = self._plain(chunk, is_stream=True)
            yield stream_fields(piece, provider=self._whom.name, path="a piece")
        # litellm adds a finish reason even if the stream was interrupted.
        if chunks.received_finish_reason is None and chunks.intermittent_finish_reason is None:
            early = StreamError(
                f"the stream of {self._whom.name} ended before its answer was complete"
            )
            raise self._error(early, is_stream=True)

    async def _in_time(
        self, ask: Callable[[], Awaitable[T]], seconds: float, *, is_stream: bool
    ) -> T:
        # An asyncio timeout would interrupt the closing of other connections too.
        deadline = anyio.move_on_after(seconds)

        def extend() -> None:
            # litellm passes no comments on, which some servers send for minutes before an answer.
            later = anyio.current_time() + self._timeout.stream_read
            deadline.deadline = max(deadline.deadline, later)

        if is_stream:
            self._exchange.on_data = extend
        try:
            with deadline, self._exchange.recording():
                return await ask()
        except Exception as trouble:  # noqa: BLE001 - litellm raises whatever its parts raise
            if not deadline.cancel_called:
                # Without the cause, which may contain a key.
                raise self._error(trouble, is_stream=is_stream) from None
        missing = "did not answer within" if self._exchange.status is None else "sent no data for"
        raise RequestTimeoutError(f"{self._whom.name} {missing} {seconds:g} s")

    def _plain(self, model: Any, *, is_stream: bool) -> Json:
        """Return the JSON of a litellm object, which may contain lone surrogates or NaN."""
        try:
            return parse_json(model.model_dump_json(warnings=False))
        except (NotCanonical, ValueError) as trouble:
            raise self._error(trouble, is_stream=is_stream) from None

    def _error(self, trouble: Exception, *, is_stream: bool) -> SDKError:
        secrets = self._whom.access.secrets
        of = ErrorContext(self._whom.name, secrets, self._timeout.connect, is_stream)
        return read_error(trouble, self._exchange, of)


_TIMEOUT = AdapterTimeout()


class LiteLLMAdapter:
    """Calls one provider by name, or any provider by models named PROVIDER/MODEL.

    API keys are read from the given variables.
    """

    library = LITELLM

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        provider: str = LITELLM,
        timeout: AdapterTimeout = _TIMEOUT,
        pool: Pool | None = None,
    ) -> None:
        self.name = provider
        self._environ = environ
        self._timeout = timeout
        self._pool = pool or Pool()

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Return an adapter if a provider that has no adapter of its own is configured."""
        return cls(environ, timeout=timeout) if find_configured(environ) else None

    @classmethod
    def variables_of(cls, provider: str) -> Sequence[str]:
        """Return the alternative variables that configure a provider.

        The result is empty if the provider is unknown.
        """
        if provider == LITELLM:
            return ["the API key of a provider that litellm supports, such as GROQ_API_KEY"]
        needs = None if provider in NATIVE else find_variables(provider)
        return [" and ".join(keys) for keys in needs.alternatives] if needs else []

    def list_served(self) -> Sequence[str]:
        """Return the names of the configured providers."""
        return find_configured(self._environ)

    def serve(self, provider: str) -> ProviderAdapter | None:
        """Return the adapter of a configured provider that has no adapter of its own."""
        needs = None if provider in NATIVE else find_variables(provider)
        if needs is None or not needs.are_met(self._environ):
            return None
        kind = type(self)
        return kind(self._environ, provider=provider, timeout=self._timeout, pool=self._pool)

    def load(self) -> None:
        """Load litellm."""
        load_litellm()

    def initialize(self) -> None:
        """Raise a ConfigurationError if a package of the provider is missing."""
        if self.name != LITELLM:
            self._needs(self.name, "")

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer."""
        return await self._call(request).complete()

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Stream the answer to a request."""
        call = self._call(request)
        return read_stream(
            call.stream(),
            StreamReader(call.begin, step, end, is_whole),
            provider=self.name,
            model=call.model,
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Return True for all modes; a provider raises an error for an unsupported mode."""
        return mode in {"auto", "none", "required", "named"}

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def _call(self, request: Request) -> Call:
        provider, model = self.name, request.model
        if provider == LITELLM:
            provider, _, model = model.partition("/")
        needs = self._needs(provider, request.model)
        whom = LiteLLMTarget(self.name, provider, needs.read(self._environ))
        # The catalogue lists most models as provider/model.
        asked = replace(request, model=model.removeprefix(f"{provider}/"))
        return Call(asked, whom, self._pool, self._timeout)

    def _needs(self, provider: str, model: str) -> ProviderVariables:
        needs = find_variables(provider)
        if needs is None:
            unknown = UnknownName("provider", provider, self.list_served())
            raise ConfigurationError(
                f"unknown provider {provider!r} of litellm (model {model!r})",
                hint=f"write the model as PROVIDER/MODEL; {unknown.hint}",
            )
        if not needs.are_met(self._environ):
            alternatives = " or ".join(" and ".join(keys) for keys in needs.alternatives)
            raise ConfigurationError(f"missing API key of {provider}", hint=f"set {alternatives}")
        needs.require_package(provider)
        return needs


part = LiteLLMAdapter
