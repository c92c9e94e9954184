"""Which providers litellm serves, and what it is told of each: where it is, and what lets us in.

The well-known ones stand in `litellm_providers.toml`, the others in litellm's own table of models.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.llm.catalogue import NATIVE, find_table, read_providers
from attractor.llm.errors import ConfigurationError

_FILE = Path(__file__).with_name("litellm_providers.toml")
_NO_PARAMETERS = ("route", "needs")
_KEY, _BASE = "_API_KEY", "_API_BASE"
# What else is told of a provider is no secret: an error may name it.
_SECRET = frozenset(
    {
        "api_key",
        "azure_ad_token",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "vertex_credentials",
    }
)


@dataclass(frozen=True)
class Needs:
    """What one provider needs: any one list of variables, and which parameter each becomes."""

    route: str
    ways: Sequence[Sequence[str]]
    parameters: Mapping[str, Sequence[str]]

    def are_met(self, environ: Mapping[str, str]) -> bool:
        """Tell whether the variables of one way are all set."""
        return any(all(_value(environ, name) for name in way) for way in self.ways)

    def read(self, environ: Mapping[str, str]) -> "Access":
        """Return what litellm is told."""
        found = {
            parameter: next(filter(None, (_value(environ, name) for name in names)), "")
            for parameter, names in self.parameters.items()
        }
        return Access(self.route, {name: value for name, value in found.items() if value})


@dataclass(frozen=True)
class Access:
    """By which name litellm knows a provider, and the parameters that open it."""

    route: str
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def secrets(self) -> Sequence[str]:
        """What no message may show."""
        return [value for name, value in self.parameters.items() if name in _SECRET]


@cache
def well_known() -> Mapping[str, Needs]:
    """Return what is told of the well-known providers."""
    told = tomllib.loads(_FILE.read_text("utf-8"))
    return {
        name: Needs(
            one.get("route", name),
            one["needs"],
            {key: names for key, names in one.items() if key not in _NO_PARAMETERS},
        )
        for name, one in told.items()
    }


def find_needs(provider: str) -> Needs | None:
    """Return what a provider needs, None of one that litellm does not serve."""
    known = well_known().get(provider)
    if known is None and provider in _of_the_table():
        return _usual(provider)
    return known


def find_ready(environ: Mapping[str, str]) -> list[str]:
    """Return the providers that are not native and have what they need, by name."""
    ready = {name for name, needs in well_known().items() if needs.are_met(environ)}
    named = {part.removesuffix(_BASE).removesuffix(_KEY) for part in _conventional(environ)}
    # The table is large, and only asked when something could be of a provider it has.
    if named:
        others = _of_the_table() - well_known().keys()
        ready |= {name for name in others if _variable(name) in named}
    return sorted(ready - set(NATIVE))


def _usual(provider: str) -> Needs:
    key, base = _variable(provider) + _KEY, _variable(provider) + _BASE
    return Needs(provider, [[key], [base]], {"api_key": [key], "api_base": [base]})


def _variable(provider: str) -> str:
    return provider.upper().replace("-", "_")


def _conventional(environ: Mapping[str, str]) -> set[str]:
    """Return the variables that could be those of a provider which is not well known."""
    taken = {
        name for one in well_known().values() for names in one.parameters.values() for name in names
    }
    return {
        name
        for name in environ
        if name.endswith((_KEY, _BASE)) and name not in taken and _value(environ, name)
    }


@cache
def _of_the_table() -> frozenset[str]:
    try:
        return read_providers(find_table())
    except ConfigurationError:
        # Whoever asks a model will be told; who asks none does not need it.
        return frozenset()


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
