"""Registers and ends versions of resources by forms, with a token of the scope `decide`."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated

from fastapi import Form
from fastapi.responses import Response

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.factory.errors import InvalidToken
from attractor.factory.resources.versions import VersionStore
from attractor.server.errors import OtherProjects, Unauthenticated
from attractor.server.html.rendering import in_address, see_other
from attractor.server.http.problems import problem_of
from attractor.server.http.versions import end
from attractor.server.processes.bodies import InvalidFields
from attractor.server.service import Service

EndText = Annotated[str, Form(max_length=5000)]
"""A field of the form: the reason, or the token."""


@dataclass(frozen=True)
class Refusal:
    """The error in a form that was refused, and the values that the person wrote."""

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    error: AttractorError | None = None

    @property
    def at(self) -> str:
        """The field at fault: the token, or the one with the resource."""
        is_of_token = isinstance(self.error, (Unauthenticated, InvalidToken, OtherProjects))
        return "token" if is_of_token else "resource"

    def fault_of(self, field: str) -> UsageError | None:
        """Return what is wrong with a field, as an error."""
        found = self.error.faults.get(field) if isinstance(self.error, InvalidFields) else None
        return UsageError(found) if found else None

    @property
    def status(self) -> int:
        """The status of the page with the form."""
        return problem_of(self.error).status if self.error else 200


NOT_REFUSED = Refusal()


def end_by_form(
    service: Service,
    store: VersionStore,
    name: str,
    how: str,
    *,
    reason: str,
    token: str,
    address: str,
    page: Callable[[Refusal], Response],
) -> Response:
    """End a version in the name of the token's holder, and show its page at an address again.

    If that is refused, `page` returns the page with what the person wrote, but never the token.
    """
    try:
        end(service, service.prove(token), store, name, how, reason)
    except AttractorError as error:
        return page(Refusal({"how": how, "reason": reason}, error))
    return see_other(f"{address}/{in_address(name)}{service.here}", f"{name} is {how}.")
