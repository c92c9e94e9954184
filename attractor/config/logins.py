"""Logins that a person allows a program to use in the sandbox: the model proxy adds their token.

The token never enters the sandbox, and is added to requests of this program only: never for the
built-in agent, prompts or the judge. Nothing is allowed until a person allows it.
"""

import json
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UnknownName
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import JsonObject
from attractor.base.locks import FileLock
from attractor.base.records import read_object

_FILE = "logins.json"
_PATIENCE_S = 60.0
# As long as claude respects the locks of others.
_STALE_S = 60.0
_POLL_S = 0.05


@dataclass(frozen=True)
class LoginPlace:
    """Where the login of a program is: a token in a variable, otherwise a file.

    The file lies in the folder that `folder_variable` names, by default in `folder` of the home
    folder. `remedy` is the way to log in anew. `url` is where models answer to a login, if not
    where they answer to a key. `locks` are the ends of folders' names that the
    program makes while it renews the token.
    """

    provider: str
    variable: str
    folder_variable: str
    folder: str
    file: str
    remedy: str
    url: str = ""
    locks: tuple[str, ...] = ()

    def source(self, environ: Mapping[str, str]) -> str:
        """Return the name of the variable or file with the login; empty without a login."""
        file = self.path(environ)
        return self.variable if self.token(environ) else str(file) if file.is_file() else ""

    def token(self, environ: Mapping[str, str]) -> str:
        """Return the token in the variable, or an empty text."""
        return environ.get(self.variable, "").strip()

    def path(self, environ: Mapping[str, str]) -> Path:
        """Return the path of the file."""
        named = environ.get(self.folder_variable, "").strip()
        return (Path(named) if named else Path(environ.get("HOME", "/"), self.folder)) / self.file


LOGINS: Mapping[str, LoginPlace] = MappingProxyType(
    {
        "claude": LoginPlace(
            provider="anthropic",
            variable="CLAUDE_CODE_OAUTH_TOKEN",
            folder_variable="CLAUDE_CONFIG_DIR",
            folder=".claude",
            file=".credentials.json",
            remedy="log in: type /login in claude",
            locks=("/.oauth_refresh.lock", ".lock"),
        ),
        "codex": LoginPlace(
            provider="openai",
            variable="",
            folder_variable="CODEX_HOME",
            folder=".codex",
            file="auth.json",
            remedy="log in: codex login",
            url="https://chatgpt.com/backend-api/codex",
        ),
    }
)
"""The places of logins, by program."""


@dataclass(frozen=True)
class Login:
    """The login of a program: a `token` that lasts, otherwise a file whose token is renewed."""

    program: str
    token: str
    file: Path
    lock: Path

    @property
    def place(self) -> LoginPlace:
        """Where logins of the program are."""
        return LOGINS[self.program]

    def read(self) -> JsonObject:
        """Return the content of the file; refuse that of another person."""
        if self.file.exists() and self.file.stat().st_uid != os.geteuid():
            raise MachineryError(f"{self.file} belongs to another person")
        return read_object(self.file, MachineryError)

    def replace(self, before: JsonObject, after: JsonObject) -> bool:
        """Write the file if it still is what was read; return whether it was written."""
        if self.read() != before:
            return False
        write_whole(self.file.resolve(), json.dumps(after, indent=2), mode=0o600)
        return True

    @contextmanager
    def locked(self) -> Generator[None]:
        """Let no other run renew the token, nor the program itself."""
        folders = [Path(f"{self.file.parent}{ending}") for ending in self.place.locks]
        with FileLock(self.lock).acquire(wait=_PATIENCE_S, purpose="renews a login"):
            made = [folder for folder in folders if _make_lock(folder)]
            try:
                yield
            finally:
                for folder in made:
                    with suppress(OSError):
                        folder.rmdir()


def _make_lock(folder: Path) -> bool:
    """Make the folder that is a lock; return False if another process never removes it."""
    for _ in range(round(_PATIENCE_S / _POLL_S)):
        try:
            folder.mkdir()
        except FileExistsError:
            with suppress(OSError):
                if SystemClock().now().timestamp() - folder.stat().st_mtime > _STALE_S:
                    return False
            time.sleep(_POLL_S)
        except OSError:
            return False
        else:
            return True
    return False


@dataclass(frozen=True)
class AllowedLogins:
    """The programs whose login a person allows, in a state folder."""

    state_dir: Path

    def all(self) -> Mapping[str, str]:
        """Return who allowed each program, and when, as words."""
        file = self.state_dir / _FILE
        found: JsonObject = read_object(file, MachineryError) if file.exists() else {}
        return {name: str(words) for name, words in found.items() if name in LOGINS}

    def allow(self, program: str, *, by: str, now: datetime) -> None:
        """Allow the login of a program."""
        self._write({**self.all(), _known(program): f"{by}, {now:%Y-%m-%d %H:%M}"})

    def forbid(self, program: str) -> None:
        """Forbid the login of a program again."""
        known = _known(program)
        self._write({name: words for name, words in self.all().items() if name != known})

    def usable(self, environ: Mapping[str, str]) -> Mapping[str, Login]:
        """Return the logins that are allowed and exist, by program."""
        found = ((name, LOGINS[name]) for name in self.all())
        return {
            name: Login(name, place.token(environ), place.path(environ), self._lock(name))
            for name, place in found
            if place.source(environ)
        }

    def secrets(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the tokens in the files of usable logins."""
        for login in self.usable(environ).values():
            with suppress(MachineryError):
                yield from () if login.token else _tokens(login.read())

    def _lock(self, program: str) -> Path:
        return self.state_dir / f"login-{program}.lock"

    def _write(self, allowed: Mapping[str, str]) -> None:
        make_private_folder(self.state_dir)
        write_whole(self.state_dir / _FILE, json.dumps(allowed, indent=1), mode=0o600)


def _tokens(record: JsonObject) -> Iterator[str]:
    """Yield the tokens in the file of a login, whose names end so in each program."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _tokens(value)
        elif isinstance(value, str) and name.lower().endswith("token"):
            yield value


def _known(program: str) -> str:
    if program not in LOGINS:
        raise UnknownName("program with a login", program, LOGINS)
    return program
