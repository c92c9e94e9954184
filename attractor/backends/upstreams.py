"""The APIs of providers that the model proxy passes the calls of programs on to."""

import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any
from warnings import catch_warnings, simplefilter

import httpx

from attractor.backends.login_tokens import LoginLost
from attractor.backends.provider_needs import KEYS
from attractor.base.dataclasses import dataclass
from attractor.base.installation import install_command


def _set_nothing(_: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def _region_of(environ: Mapping[str, str]) -> str:
    # The default of claude.
    names = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
    return _first(names, environ, "us-east-1")


_PROJECT = ("VERTEXAI_PROJECT", "VERTEX_PROJECT")
_CREDENTIALS = ("VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS")
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def _first(names: Sequence[str], environ: Mapping[str, str], usual: str = "") -> str:
    return next(filter(None, (environ.get(name, "").strip() for name in names)), usual)


def _location_of(environ: Mapping[str, str]) -> str:
    # The default of claude.
    return _first(("VERTEXAI_LOCATION", "VERTEX_LOCATION"), environ, "us-east5")


def _vertex_host(environ: Mapping[str, str]) -> str:
    match _location_of(environ):
        case "global":
            return "aiplatform.googleapis.com"
        case "us" | "eu" as area:
            return f"aiplatform.{area}.rep.googleapis.com"
        case location:
            return f"{location}-aiplatform.googleapis.com"


@cache
def _google_credentials(given: str) -> Any:
    """Return the credentials in a text or file, or those of gcloud; they keep their token."""
    google = importlib.import_module("google.auth")
    with catch_warnings():
        # It warns of credentials that a stranger made; these are the operator's.
        simplefilter("ignore")
        if given.startswith("{"):
            return google.load_credentials_from_dict(json.loads(given), scopes=_SCOPES)[0]
        if given:
            return google.load_credentials_from_file(given, scopes=_SCOPES)[0]
        return google.default(scopes=_SCOPES)[0]


def _sign_for_google(environ: Mapping[str, str], _: httpx.Request) -> Mapping[str, str]:
    """Return the bearer of the operator's credentials, which is renewed when it expires."""
    names = ("auth.exceptions", "auth.transport.requests")
    try:
        exceptions, transport = (importlib.import_module(f"google.{name}") for name in names)
    except ImportError as fault:
        hint = f"install the extra vertex: {install_command(extra='vertex')}"
        raise LoginLost("cannot call Vertex: google-auth is missing", hint=hint) from fault
    try:
        credentials = _google_credentials(_first(_CREDENTIALS, environ))
        if not credentials.valid:
            credentials.refresh(transport.Request())
    except (exceptions.GoogleAuthError, OSError, ValueError) as fault:
        _google_credentials.cache_clear()
        words = f"cannot call Vertex: {type(fault).__name__}"
        hint = "run gcloud auth application-default login, or correct VERTEXAI_CREDENTIALS"
        raise LoginLost(words, hint=hint) from fault
    return {"authorization": f"Bearer {credentials.token}"}


def _sign_for_aws(environ: Mapping[str, str], request: httpx.Request) -> Mapping[str, str]:
    """Return the signature (SigV4) of a request by the operator's access key or profile."""
    names = ("auth", "awsrequest", "session", "exceptions")
    try:
        modules = [importlib.import_module(f"botocore.{name}") for name in names]
    except ImportError as fault:
        hint = "set AWS_BEARER_TOKEN_BEDROCK, or install botocore"
        raise LoginLost("cannot sign for Bedrock: botocore is missing", hint=hint) from fault
    auth, requests, sessions, exceptions = modules
    try:
        session = sessions.Session(profile=environ.get("AWS_PROFILE", "").strip() or None)
        if key := environ.get("AWS_ACCESS_KEY_ID", "").strip():
            secret, token = environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN")
            session.set_credentials(key, secret.strip(), token)
        signed = requests.AWSRequest(request.method, str(request.url), data=request.content)
        signer = auth.SigV4Auth(session.get_credentials(), "bedrock", _region_of(environ))
        signer.add_auth(signed)
    except (exceptions.BotoCoreError, KeyError) as fault:
        words = f"cannot sign for Bedrock: {type(fault).__name__}: {fault}"
        raise LoginLost(
            words, hint="set AWS_BEARER_TOKEN_BEDROCK, or correct AWS_PROFILE"
        ) from fault
    return dict(signed.headers)


@dataclass(frozen=True)
class Upstream:
    """The API of a provider: base URL, header of the key, and paths that programs may use.

    The variable `url_variable` replaces the base URL. `version` is removed from the end of the base
    URL, because the paths of programs begin with it. `variables` are read by programs, and
    `settings` returns more of them. A cloud whose APIs are dated has a `date_variable`. `sign`
    returns the headers of a request without a key, by the secrets in the variables `signed_by`.
    `path` ends the base URL. Without `keys`, a program sends the headers in `header_variable`.
    """

    url_variable: str
    url: str
    header: str
    paths: re.Pattern[str]
    keys: tuple[str, ...]
    variables: tuple[str, ...]
    version: str = ""
    settings: Callable[[Mapping[str, str]], Mapping[str, str]] = _set_nothing
    date_variable: str = ""
    sign: Callable[[Mapping[str, str], httpx.Request], Mapping[str, str]] | None = None
    signed_by: tuple[str, ...] = ()
    header_variable: str = ""
    path: str = ""

    def base_url(self, environ: Mapping[str, str], usual: str = "") -> str:
        """Return the base URL without a version; `usual` replaces the usual one."""
        url = environ.get(self.url_variable, "").strip() or usual or self.url
        base = re.sub(f"{self.version}$", "", url.rstrip("/")) + self.path
        if self.date_variable:
            base += "/openai" if self.query(environ) else "/openai/v1"
        return base.replace("{region}", _region_of(environ)).replace(
            "{vertex}", _vertex_host(environ)
        )

    def allowed(self, environ: Mapping[str, str]) -> re.Pattern[str]:
        """Return the paths that programs may use, at Vertex those of the operator's project."""
        project = re.escape(_first(_PROJECT, environ))
        return re.compile(self.paths.pattern.replace("{project}", project))

    def query(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the parameters of every request."""
        date = environ.get(self.date_variable, "").strip()
        return {"api-version": date} if date else {}

    def key(self, environ: Mapping[str, str]) -> str:
        """Return the key of the operator; local servers often need no key."""
        return _first(self.keys, environ)

    def secrets(self, environ: Mapping[str, str]) -> Sequence[str]:
        """Return what no answer may show: the key, and what signs requests."""
        return [self.key(environ), *(environ.get(name, "").strip() for name in self.signed_by)]

    def key_headers(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the header with the key of the operator."""
        key = self.key(environ)
        if self.header == "authorization" or key == environ.get("AZURE_AD_TOKEN", "").strip():
            return {"authorization": f"Bearer {key}"} if key else {}
        return {self.header: key} if key else {}


_CHAT = re.compile(
    r"GET /models(/.+)?|POST /(chat/completions|responses(/(compact|input_tokens))?)"
)
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
_INVOKE = re.compile(r"POST /model/[^/]+/invoke(-with-response-stream)?")
_PREDICT = re.compile(
    r"POST /projects/{project}/locations/[^/]+/publishers/anthropic/models/[^/:]+"
    r":(rawPredict|streamRawPredict)"
)
CLOUDS: Mapping[str, Upstream] = MappingProxyType(
    {
        "azure": Upstream(
            "AZURE_API_BASE",
            "",
            "api-key",
            _CHAT,
            ("AZURE_API_KEY", "AZURE_AD_TOKEN"),
            (),
            version=r"/openai(/v1)?",
            date_variable="AZURE_API_VERSION",
        ),
        "bedrock": Upstream(
            "AWS_BEDROCK_RUNTIME_ENDPOINT",
            "https://bedrock-runtime.{region}.amazonaws.com",
            "authorization",
            _INVOKE,
            ("AWS_BEARER_TOKEN_BEDROCK",),
            ("ANTHROPIC_BEDROCK_BASE_URL",),
            settings=lambda environ: {
                "CLAUDE_CODE_USE_BEDROCK": "1",
                "AWS_REGION": _region_of(environ),
            },
            sign=_sign_for_aws,
            signed_by=("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        ),
        "vertex_ai": Upstream(
            "VERTEXAI_API_BASE",
            "https://{vertex}",
            "authorization",
            _PREDICT,
            (),
            ("ANTHROPIC_VERTEX_BASE_URL",),
            settings=lambda environ: {
                "CLAUDE_CODE_USE_VERTEX": "1",
                "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1",
                "ANTHROPIC_VERTEX_PROJECT_ID": _first(_PROJECT, environ),
                "CLOUD_ML_REGION": _location_of(environ),
            },
            sign=_sign_for_google,
            version="/v1",
            path="/v1",
            header_variable="ANTHROPIC_CUSTOM_HEADERS",
        ),
    }
)
"""Clouds that serve the models of a program under names of their own."""


def upstream_of(provider: str) -> Upstream:
    """Return the API of a provider."""
    return UPSTREAMS.get(provider) or CLOUDS[provider]
