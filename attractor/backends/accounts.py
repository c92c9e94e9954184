"""The accounts by which stages call models, and the limits that they have reached.

The limit of an account is a file in the state folder, so all runs of the account wait. When the
limit should have reset, one of them tries (a probe), while the others continue to wait. Accounts
are named by a keyed hash, because their keys are secrets.
"""

import hmac
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, LockHeld, UsageError
from attractor.base.files import file_error, make_private_folder, read_regular, write_whole
from attractor.base.json import canonical_json
from attractor.base.locks import FileLock
from attractor.base.records import read_object, read_record, write_record
from attractor.engine.seams import Waits
from attractor.engine.state.run_state import Wait, WaitReason

if TYPE_CHECKING:
    from attractor.backends.limit_texts import Limit

FOLDER = "accounts"
"""The folder of the accounts in the state folder."""

LEDGER_KEY = "ledger.key"
"""The key of the state folder."""

FORMAT = 1
"""The format of the file of an account."""

PROBES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))
"""The waits before the first, the second and all further probes of a limit of unknown length."""

_POLL_INTERVAL = timedelta(seconds=1)

_PATIENCE_S = 10.0
_KEY_BYTES = 32


@dataclass(frozen=True)
class ReachedLimit:
    """The limit of an account: its message, the next try, and the number of failed probes."""

    words: str
    until: datetime
    probes: int = 0
    format: int = FORMAT

    def __str__(self) -> str:
        return f"{self.words}; next try at {self.until:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class AccountTrial:
    """The last answer by an account; `fault` is the error of the provider."""

    at: datetime
    model: str
    fault: str = ""
    format: int = FORMAT

    def __str__(self) -> str:
        what = f"failed: {self.fault}" if self.fault else "answered"
        return f"{self.at:%Y-%m-%d} {self.model} {what}".replace("  ", " ")


class AccountUse:
    """The use of an account by a stage; after a limit, the use is a probe, and excludes others."""

    def __init__(self, account: "Account", probe: FileLock | None) -> None:
        self._account = account
        self._probe = probe

    def lift_limit(self) -> None:
        """Forget the limit, because the account was served."""
        if self._probe:
            self._account.lift()
            self.end()

    def record_answer(self, model: str) -> None:
        """Record that the account was served."""
        self.lift_limit()
        self._account.record_trial(model)

    def record_limit(self, limit: "Limit") -> None:
        """Record that the account has reached a limit."""
        self._account.record(limit, is_probe=self._probe is not None)
        self.end()

    def end(self) -> None:
        """Let others probe; a limit that was neither lifted nor recorded stays."""
        if self._probe:
            self._probe.release()
            self._probe = None


@dataclass(frozen=True)
class Account:
    """An account; `label` names it for people, such as `claude`."""

    name: str
    label: str
    folder: Path
    clock: Clock
    probes: tuple[timedelta, ...] = PROBES

    @asynccontextmanager
    async def use(self, waits: Waits) -> AsyncGenerator[AccountUse]:
        """Wait while the account has reached a limit, and yield the use of the account."""
        use = AccountUse(self, await self._admit(waits))
        try:
            yield use
        finally:
            use.end()

    def reached(self) -> ReachedLimit | None:
        """Return the limit that the account has reached; an unreadable file counts as none."""
        # Another run may lift the limit meanwhile.
        with suppress(UsageError, FileError):
            if self._file.exists():
                found = read_record(ReachedLimit, read_object(self._file, UsageError))
                return found if found.format == FORMAT else None
        return None

    def record(self, limit: "Limit", *, is_probe: bool) -> None:
        """Record a limit, and when it is tried again."""
        make_private_folder(self.folder)
        with FileLock(self.folder / f"{self.name}.lock").acquire(wait=_PATIENCE_S):
            before = self.reached()
            failed = before.probes + is_probe if before else 0
            now, last = self.clock.now(), len(self.probes) - 1
            if limit.until is None:
                until = now + self.probes[min(failed, last)]
            elif not failed or limit.is_ended_by_person:
                until = limit.until
            else:
                # The reset before was wrong, so the next one may be, too.
                until = max(limit.until, now + self.probes[min(failed - 1, last)])
            if before and not is_probe:
                # A request from before the limit, which says nothing about its end.
                until = max(before.until, limit.until or before.until)
            reached = ReachedLimit(limit.words, until, failed)
            write_whole(self._file, canonical_json(write_record(reached) | {"format": FORMAT}))

    def lift(self) -> None:
        """Forget the limit."""
        with suppress(FileNotFoundError):
            self._file.unlink()

    def last_trial(self) -> AccountTrial | None:
        """Return the last trial; an unreadable file counts as none."""
        with suppress(UsageError, FileError):
            if self._trial.exists():
                return read_record(AccountTrial, read_object(self._trial, UsageError))
        return None

    def record_trial(self, model: str, fault: str = "") -> None:
        """Record an answer, a success once a day; a disk that is full prevents no answer."""
        now, last = self.clock.now(), self.last_trial()
        is_known = last and (last.model, last.fault, last.at.date()) == (model, "", now.date())
        if is_known and not fault:
            return
        with suppress(FileError):
            make_private_folder(self.folder)
            trial = write_record(AccountTrial(now, model, fault)) | {"format": FORMAT}
            write_whole(self._trial, canonical_json(trial), mode=0o600)

    async def _admit(self, waits: Waits) -> FileLock | None:
        """Wait for the end of the limit; return the lock of a probe, or None without a limit."""
        while reached := self.reached():
            if probe := self._try_to_probe(reached):
                return probe
            words = f"limit of {self.label}: {reached}"
            async with waits.waiting(Wait(WaitReason.LIMIT, reached.until), words):
                while self.reached() == reached:
                    if probe := self._try_to_probe(reached):
                        return probe
                    left = reached.until - self.clock.now()
                    await self.clock.sleep(
                        min(_POLL_INTERVAL, left) if left > timedelta() else _POLL_INTERVAL
                    )
        return None

    def _try_to_probe(self, reached: ReachedLimit) -> FileLock | None:
        """Return the lock of a probe if the limit should have reset, and no other run probes."""
        if reached.until > self.clock.now():
            return None
        lock = FileLock(self.folder / f"{self.name}.probe")
        try:
            lock.acquire(purpose=f"probes the limit of {self.label}")
        except LockHeld:
            return None
        if self.reached() == reached:
            return lock
        lock.release()
        return None

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def _trial(self) -> Path:
        return self.folder / f"{self.name}.trial"


@dataclass(frozen=True)
class Accounts:
    """The accounts of an operator, whose limits are in the state folder."""

    state_dir: Path
    environ: Mapping[str, str]
    clock: Clock = SystemClock()
    probes: tuple[timedelta, ...] = PROBES

    def of_provider(self, provider: str, variables: Sequence[str] = ()) -> Account:
        """Return the account of a provider: its address and its key, or all of its `variables`."""
        # Commands that only list limits need no catalogue of models.
        from attractor.backends.provider_needs import KEYS

        names = (*KEYS.get(provider, ()), f"{provider.upper()}_API_KEY")
        key = next(filter(None, (self.environ.get(name, "").strip() for name in names)), "")
        url = self.environ.get(f"{provider.upper()}_BASE_URL", "").strip().rstrip("/")
        more = (self.environ.get(name, "").strip() for name in variables)
        return self._named(provider, provider, url, key, *more)

    def of_program(self, program: str, command: str) -> Account:
        """Return the account of a program with a login of its own."""
        return self._named(program, program, command, self.environ.get("HOME", ""))

    def _named(self, label: str, *identity: str) -> Account:
        words = canonical_json(["account", *identity])
        folder = self.state_dir / FOLDER
        name = hmac.digest(_read_key(self.state_dir, folder), words.encode(), "sha256").hex()[:32]
        return Account(name, label, folder, self.clock, self.probes)


def _read_key(state_dir: Path, folder: Path) -> bytes:
    """Return the key of the state folder; a folder without a ledger gets a key for accounts."""
    with suppress(FileNotFoundError):
        return read_regular(state_dir / LEDGER_KEY)
    own = folder / "key"
    try:
        make_private_folder(folder)
        with FileLock(folder / "key.lock").acquire(wait=_PATIENCE_S):
            if not own.exists():
                write_whole(own, os.urandom(_KEY_BYTES), mode=0o600)
            return read_regular(own)
    except OSError as cause:
        raise file_error("read", own, cause) from cause
