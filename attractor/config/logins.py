"""Logins that a person allows a program to use in the sandbox: the model proxy adds their token.

The token never enters the sandbox, and is added to requests of this program only: never for the
built-in agent, prompts or the judge. Nothing is allowed until a person allows it.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UnknownName
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import JsonObject
from attractor.base.records import read_object

LOGIN_VARIABLES: Mapping[str, str] = MappingProxyType({"claude": "CLAUDE_CODE_OAUTH_TOKEN"})
"""The variable with the token of a login, by program."""

_FILE = "logins.json"


@dataclass(frozen=True)
class Login:
    """The token of a login, and the variable in which its program looks for one."""

    variable: str
    token: str


@dataclass(frozen=True)
class AllowedLogins:
    """The programs whose login a person allows, in a state folder."""

    state_dir: Path

    def all(self) -> Mapping[str, str]:
        """Return who allowed each program, and when, as words."""
        file = self.state_dir / _FILE
        found: JsonObject = read_object(file, MachineryError) if file.exists() else {}
        return {name: str(words) for name, words in found.items() if name in LOGIN_VARIABLES}

    def allow(self, program: str, *, by: str, now: datetime) -> None:
        """Allow the login of a program."""
        self._write({**self.all(), _known(program): f"{by}, {now:%Y-%m-%d %H:%M}"})

    def forbid(self, program: str) -> None:
        """Forbid the login of a program again."""
        known = _known(program)
        self._write({name: words for name, words in self.all().items() if name != known})

    def usable(self, environ: Mapping[str, str]) -> Mapping[str, Login]:
        """Return the allowed logins whose token is set, by program."""
        variables = {name: LOGIN_VARIABLES[name] for name in self.all()}
        return {
            name: Login(variable, token)
            for name, variable in variables.items()
            if (token := environ.get(variable, "").strip())
        }

    def _write(self, allowed: Mapping[str, str]) -> None:
        make_private_folder(self.state_dir)
        write_whole(self.state_dir / _FILE, json.dumps(allowed, indent=1), mode=0o600)


def _known(program: str) -> str:
    if program not in LOGIN_VARIABLES:
        raise UnknownName("program with a login", program, LOGIN_VARIABLES)
    return program
