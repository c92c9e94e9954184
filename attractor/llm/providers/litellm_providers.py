"""Providers served by litellm: the litellm name and the variables of each provider.

Well-known providers are in `litellm_providers.toml`, the others in litellm's table of models.
"""

import importlib.util
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.installation import install_command
from attractor.llm.catalogue import NATIVE, find_table, read_providers
from attractor.llm.errors import ConfigurationError

_FILE = Path(__file__).with_name("litellm_providers.toml")
_NO_PARAMETERS = ("route", "needs", "package", "cache_marks")
_KEY, _BASE = "_API_KEY", "_API_BASE"
# Secret parameters; errors may contain the others.
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
class ProviderVariables:
    """The alternative variables that configure a provider, and the parameter of each.

    `package` has the module that litellm needs for the provider, and the extra that installs it.
    """

    route: str
    alternatives: Sequence[Sequence[str]]
    parameters: Mapping[str, Sequence[str]]
    package: Mapping[str, str] = field(default_factory=dict[str, str])
    takes_cache_marks: bool = False

    def require_package(self, provider: str) -> None:
        """Raise a ConfigurationError if the package of the provider is not installed."""
        module = self.package.get("module", "")
        if module and not _is_installed(module):
            extra = self.package["extra"]
            raise ConfigurationError(
                f"missing package {module} of the provider {provider!r}",
                hint=f"install the extra {extra}: {install_command(extra=extra)}",
            )

    def are_met(self, environ: Mapping[str, str]) -> bool:
        """Return whether all variables of one alternative are set."""
        return any(all(_value(environ, name) for name in names) for names in self.alternatives)

    def read(self, environ: Mapping[str, str]) -> "Access":
        """Return the parameters for litellm."""
        found = {
            parameter: next(filter(None, (_value(environ, name) for name in names)), "")
            for parameter, names in self.parameters.items()
        }
        given = {name: value for name, value in found.items() if value}
        return Access(self.route, given, self.takes_cache_marks)


@dataclass(frozen=True)
class Access:
    """The litellm name of a provider, the parameters of its API key, and its abilities."""

    route: str
    parameters: Mapping[str, str] = field(repr=False)
    takes_cache_marks: bool = False

    @property
    def secrets(self) -> Sequence[str]:
        """The secret values."""
        return [value for name, value in self.parameters.items() if name in _SECRET]


@cache
def well_known() -> Mapping[str, ProviderVariables]:
    """Return the well-known providers."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    return {
        name: ProviderVariables(
            table.get("route", name),
            table["needs"],
            {key: names for key, names in table.items() if key not in _NO_PARAMETERS},
            table.get("package", {}),
            table.get("cache_marks", False),
        )
        for name, table in tables.items()
    }


def find_variables(provider: str) -> ProviderVariables | None:
    """Return the variables of a provider; None if litellm does not serve the provider."""
    known = well_known().get(provider)
    if known is None and provider in _table_providers():
        key, base = _variable(provider) + _KEY, _variable(provider) + _BASE
        return ProviderVariables(provider, [[key], [base]], {"api_key": [key], "api_base": [base]})
    return known


def find_configured(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the configured providers that are not native."""
    ready = {name for name, needs in well_known().items() if needs.are_met(environ)}
    taken = {
        name
        for needs in well_known().values()
        for names in needs.parameters.values()
        for name in names
    }
    named = {
        name.removesuffix(_BASE).removesuffix(_KEY)
        for name in environ
        if name.endswith((_KEY, _BASE)) and name not in taken and _value(environ, name)
    }
    # The table is large, and only read if a variable may belong to one of its providers.
    if named:
        others = _table_providers() - well_known().keys()
        ready |= {name for name in others if _variable(name) in named}
    return sorted(ready - set(NATIVE))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _variable(provider: str) -> str:
    return provider.upper().replace("-", "_")


@cache
def _table_providers() -> frozenset[str]:
    try:
        return read_providers(find_table())
    except ConfigurationError:
        # Calling a model reports it.
        return frozenset()


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
