"""A service, as a file declares it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

from pydantic import AfterValidator, Field, JsonValue

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, canonical_json
from attractor.twins.answer import Written
from attractor.twins.services.authentication import Authentication
from attractor.twins.services.clocks import WrittenClock
from attractor.twins.services.json_paths import WrittenPath
from attractor.twins.services.limits import Limit
from attractor.twins.services.responses import Response, WrittenHeaders, json_response
from attractor.twins.services.route import Collection, Route
from attractor.twins.services.state import State
from attractor.twins.services.templates import JsonTemplate, Names, Template, TextTemplate
from attractor.twins.services.trouble import Trouble

ERROR_NAMES = frozenset({"message", "code", "status"})
"""What the shape of errors may name besides."""
PLACE_NAMES = frozenset({"url", "port", "key", "name"})
"""What the variables for clients may name, and nothing else."""

_ERROR = Template({"error": {"code": "{{ code }}", "message": "{{ message }}"}})


class ErrorShape(Written):
    """How the service says that it refuses a request."""

    headers: WrittenHeaders = {}
    json_: JsonTemplate | None = Field(default=None, alias="json")

    def written(self, status: int, names: Names) -> Response:
        """Write it with these names."""
        headers = {name: one.text(names) for name, one in self.headers.items()}
        return json_response((self.json_ or _ERROR).value(names), status, headers)


class Comparison(Written):
    """What counts when the twin is held against recordings."""

    ignore: Annotated[tuple[WrittenPath, ...], Field(strict=False)] = ()
    types: Annotated[tuple[WrittenPath, ...], Field(strict=False)] = ()
    headers: Annotated[tuple[str, ...], Field(strict=False)] = ("content-type",)


def _of_json(state: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        canonical_json(cast("Json", state))
    except NotCanonical as cause:
        raise ValueError(cause.message) from cause
    return state


class WrittenService(Written):
    """What a file says about a service, but for its routes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    summary: str = ""
    seed: int = 0
    environ: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], TextTemplate] = {}
    clock: WrittenClock = WrittenClock()
    auth: Authentication | None = None
    errors: ErrorShape = ErrorShape()
    limit: Limit | None = None
    faults: Annotated[tuple[Trouble, ...], Field(strict=False)] = ()
    state: Annotated[dict[str, JsonValue], AfterValidator(_of_json)] = {}
    collections: dict[str, Collection] = {}
    check: Comparison = Comparison()


@dataclass(frozen=True)
class Service:
    """A service that is ready to be stood in for."""

    written: WrittenService
    routes: Sequence[Route]
    state: State
    folder: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.written.name
