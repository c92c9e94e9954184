"""Answers errors as `application/problem+json`, with the words and ids of the command line."""

import http
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from attractor.base.errors import (
    AttractorError,
    ExitCode,
    MachineryError,
    NoGo,
    Refused,
    UnknownName,
    UsageError,
    VerificationError,
    first_sentence,
)
from attractor.engine.errors import NoRun
from attractor.growth.errors import UnknownSpecNode
from attractor.language.diagnostics import InvalidPipeline
from attractor.server.errors import HttpError, UnsupportedBody

PROBLEM = "application/problem+json"

_STATUS: Mapping[type[AttractorError], int] = {
    UnknownName: 404,
    NoRun: 404,
    UnknownSpecNode: 404,
    InvalidPipeline: 422,
    UsageError: 400,
    Refused: 409,
    NoGo: 409,
    VerificationError: 409,
    MachineryError: 503,
    AttractorError: 422,
}
"""The HTTP status of an error without one of its own; the first class that fits counts."""


class Problem(BaseModel):
    """An error of a request (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:attractor:` and the kind of the error.")
    title: str = Field(description="The kind of the error in words.")
    status: int
    detail: str = Field(description="The fault of this request.")
    hint: str = Field(description="The remedy.")
    exit_code: int = Field(description="The exit status of the command line for this error.")


def problem_of(error: AttractorError) -> Problem:
    """Return the problem that describes an error."""
    status, kind = status_of(error), type(error)
    title = http.HTTPStatus(status).phrase if kind is HttpError else first_sentence(kind)
    return Problem(
        type=f"urn:attractor:{kind.__name__}",
        title=title,
        status=status,
        detail=error.message,
        hint=error.hint,
        exit_code=int(error.exit_code),
        **jsonable_encoder(error.details),
    )


def status_of(error: AttractorError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, HttpError):
        return error.status
    return next(status for kind, status in _STATUS.items() if isinstance(error, kind))


def problem_response(error: AttractorError) -> Response:
    """Return the response to a request that failed with an error."""
    problem = problem_of(error)
    return JSONResponse(
        problem.model_dump(), problem.status, media_type=PROBLEM, headers=headers_of(error)
    )


def headers_of(error: AttractorError) -> Mapping[str, str]:
    """Return the headers of the response to a request that failed with an error."""
    return error.headers if isinstance(error, HttpError) else {}


class InvalidRequest(HttpError):
    """Invalid parameters or an invalid body."""

    status = 422
    exit_code = ExitCode.USAGE


def invalid_request(error: RequestValidationError | ValidationError) -> InvalidRequest:
    """Return the error about the parameters and the body of a request."""
    faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return InvalidRequest("; ".join(faults[:5]), hint="see /api/v1/openapi.json")


def _unsupported(request: Request) -> UnsupportedBody:
    sent = request.headers.get("content-type")
    return UnsupportedBody(f"Content-Type is {sent}" if sent else "Content-Type is missing")


def answer_problems(
    application: FastAPI, respond: Callable[[Request, AttractorError], Response]
) -> None:
    """Let an application answer every error with a response to the error."""

    def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            # FastAPI parses a body with a content type of JSON only.
            is_raw = isinstance(error.body, bytes)
            found = _unsupported(request) if is_raw else invalid_request(error)
        elif isinstance(error, HTTPException):
            found = HttpError(error.detail, hint="see /api/v1/openapi.json")
            found.status, found.headers = error.status_code, error.headers or {}
        else:
            assert isinstance(error, AttractorError)
            found = error
        request.state.reason = found.message
        return respond(request, found)

    for kind in (AttractorError, RequestValidationError, HTTPException):
        application.add_exception_handler(kind, answer)


def problem_statuses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems that an operation may answer, for the OpenAPI document."""
    return {
        one: {
            "description": http.HTTPStatus(one).phrase,
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for one in statuses
    }


def header(description: str) -> dict[str, Any]:
    """Return the description of a header of an answer, for the OpenAPI document."""
    return {"description": description, "schema": {"type": "string"}}


STARTED: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": header("The address of the new run.")}}
}
