"""Completes the OpenAPI document of the API: problems, security, and headers.

An operation is open to a token of its scope, and to the session of a browser unless it decides.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from attractor.factory.operator_process import Scope
from attractor.server.access.callers import COOKIE
from attractor.server.access.origins import SAFE_METHODS
from attractor.server.errors import UnknownResult, UnsupportedBody
from attractor.server.http.idempotency import KEY_PARAMETER, REPLAYED
from attractor.server.http.problems import Problem, header, problem_statuses
from attractor.server.http.scopes import scope_of

_TOKEN, _SESSION = "token", "session"
_SCHEMES = {
    _TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `attractor token create`; each scope includes those before it.",
    },
    _SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of a browser; a write also sends the header `X-CSRF-Token`.",
    },
}


_CHALLENGE = header("`Bearer`.")
_RETRY = header("The seconds after which to try again.")
_REPLAYED = header("`true`: the answer to the first request with this key.")


def complete_document(application: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Complete the document of an application with resources at these routes."""
    write = application.openapi
    scopes = {
        (route.path_format, method.lower()): scope_of(route)
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }

    def complete() -> dict[str, Any]:
        if application.openapi_schema is None:
            _complete(write(), scopes)
        assert application.openapi_schema
        return application.openapi_schema

    application.openapi = complete


def _complete(document: dict[str, Any], scopes: Mapping[tuple[str, str], Scope]) -> None:
    document["components"]["securitySchemes"] = _SCHEMES
    # No operation returns it.
    document["components"]["schemas"][Problem.__name__] = Problem.model_json_schema()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = scopes[path, method]
            operation["security"] = [{_TOKEN: [scope.value]}]
            if scope is not Scope.DECIDE:
                operation["security"].append({_SESSION: []})
            answers = operation["responses"]
            if "requestBody" in operation:
                answers |= _as_text(problem_statuses(UnsupportedBody.status))
            answers["401"]["headers"] = {"WWW-Authenticate": _CHALLENGE}
            answers["429"]["headers"] = {"Retry-After": _RETRY}
            if method.upper() not in SAFE_METHODS:
                operation.setdefault("parameters", []).append(KEY_PARAMETER)
                answers |= _as_text(problem_statuses(UnknownResult.status))
                for status, answer in answers.items():
                    if status < "300":
                        answer.setdefault("headers", {})[REPLAYED.title()] = _REPLAYED
            operation["responses"] = dict(sorted(answers.items()))


def _as_text(answers: dict[int | str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(status): answer for status, answer in answers.items()}
