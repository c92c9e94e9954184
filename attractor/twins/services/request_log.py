"""What a service twin was asked, in order, with keys hidden."""

from collections.abc import Mapping
from dataclasses import asdict

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.hidden_keys import HIDDEN, credentials_in, is_secret, keys_of
from attractor.twins.services.authentication import Authentication
from attractor.twins.services.key_forms import KeyFinder
from attractor.twins.services.requests import ServiceRequest


@dataclass(frozen=True)
class ServedRequest:
    """One request: when it came by the twin's clock, who answered it, and how.

    Its status is 0 when none was sent; `why` says what the twin itself could not do.
    """

    number: int
    at: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    route: str
    visit: int
    status: int
    fault: str
    why: str

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """What became of a request: the status it got, who answered, and in which trouble."""

    status: int
    route: str = ""
    visit: int = 0
    fault: str = ""
    why: str = ""


def served_request(
    number: int, at: str, request: ServiceRequest, outcome: Outcome, auth: Authentication | None
) -> ServedRequest:
    """Return a request for the log, with keys hidden."""
    curtain = Curtain(auth, request)
    return ServedRequest(
        number=number,
        at=at,
        method=request.method,
        path=curtain.text(request.path),
        query=curtain.query(),
        headers=curtain.headers(),
        body=curtain.value(request.body),
        route=outcome.route,
        visit=outcome.visit,
        status=outcome.status,
        fault=outcome.fault,
        why=curtain.text(outcome.why),
    )


class Curtain:
    """Hides the keys of a request: those it comes with, and the service's own, where they stand."""

    def __init__(self, auth: Authentication | None, request: ServiceRequest) -> None:
        self._request = request
        self._names = ({auth.hidden_header, auth.hidden_query} - {""}) if auth else set[str]()
        query = request.target.partition("?")[2]
        given = keys_of(request.headers, query, self._names).values
        basic = (
            key
            for name, said in request.headers.items()
            if is_secret(name) or name in self._names
            for key in credentials_in(said)
        )
        self._keys = KeyFinder([*given, *basic, *([auth.key] if auth else ())])

    def headers(self) -> dict[str, str]:
        """Return the headers."""
        return self._table(self._request.headers)

    def query(self) -> dict[str, str]:
        """Return the query."""
        return self._table(self._request.query)

    def text(self, text: str) -> str:
        """Return a text."""
        return self._keys.hide(text)

    def value(self, value: Json) -> Json:
        """Return a value of JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.text(name): self.value(one) for name, one in value.items()}
        return value

    def _table(self, given: Mapping[str, str]) -> dict[str, str]:
        return {
            name: HIDDEN if name in self._names or is_secret(name) else self.text(value)
            for name, value in given.items()
        }
