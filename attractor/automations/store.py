"""The automations of a project: their folders in the state folder, and their lines in the ledger.

No sandboxed tool can reach the state folder. If another process changes a record, its hash is not
the one in the ledger, and the automation starts no runs.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from attractor.automations.automation import Automation
from attractor.automations.errors import ChangedAutomation, InvalidAutomation
from attractor.automations.starts import Starts
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused, VerificationError
from attractor.base.files import (
    StoredFile,
    make_private_folder,
    read_file,
    store_private_folder,
    sync_folder,
)
from attractor.base.json import JsonObject, canonical_json, parse_object
from attractor.base.locks import FileLock
from attractor.base.names import find_named
from attractor.base.records import read_record, write_record
from attractor.config.checks import require_new_name
from attractor.factory.errors import InvalidToken
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.project import PROJECTS, project_folder

AUTOMATIONS = "automations"
_RECORD, _STARTS, _LOCK = "automation.json", "starts.jsonl", "start.lock"
_LOOK = "look"
_PATIENCE_S = 10.0
REFUSED_FOR = timedelta(days=7)
"""A refused start needs a person for so long, unless one pauses the automation meanwhile."""


@dataclass(frozen=True)
class AutomationFolder:
    """The folder of an automation."""

    root: Path

    @property
    def name(self) -> str:
        """The name of the automation."""
        return self.root.name

    @property
    def record(self) -> Path:
        """The file with the record."""
        return self.root / _RECORD

    @property
    def lock(self) -> Path:
        """The file whose lock a process holds until its run has begun."""
        return self.root / _LOCK

    @property
    def look(self) -> Path:
        """The file that changes when a server is to look for issues at once."""
        return self.root / _LOOK

    @cached_property
    def starts(self) -> Starts:
        """The starts so far; each process and thread has its own."""
        return Starts(self.root / _STARTS, self.read().created)

    def read(self) -> Automation:
        """Read the record, without comparing it with the ledger."""
        try:
            automation = read_record(Automation, parse_object(read_file(self.record)) or {})
        except AttractorError as cause:
            raise ChangedAutomation(self.name, f"its record is unreadable: {cause}") from cause
        if automation.name != self.name:
            raise ChangedAutomation(self.name, "its record is that of another one")
        return automation


def list_automations(state: Path, project_id: str) -> Sequence[AutomationFolder]:
    """Return the automations of a project, by name; the id "" has no automations."""
    folder = project_folder(state, project_id) / AUTOMATIONS
    return [AutomationFolder(path) for path in sorted(folder.glob("[!.]*")) if path.is_dir()]


def list_all_automations(state: Path) -> Iterator[tuple[str, AutomationFolder]]:
    """Yield the automations of all projects of a state folder, each with the id of its project."""
    for root in sorted(state.glob(f"{PROJECTS}/*/{AUTOMATIONS}/[!.]*")):
        yield root.parent.parent.name, AutomationFolder(root)


def look_for_issues(opened: OpenProject) -> None:
    """Let the server that starts the runs of the project look for new issues now."""
    for folder in list_automations(_state(opened), _project_id(opened)):
        # It may be removed meanwhile.
        with suppress(FileNotFoundError):
            folder.look.touch(mode=0o600)


def find_automation(name: str, opened: OpenProject) -> AutomationFolder:
    """Return the automation with a name, otherwise with the unique beginning of one."""
    state = _state(opened)
    own = list_automations(state, _project_id(opened))
    elsewhere = [folder.name for _, folder in list_all_automations(state)]
    return find_named("automation", name, own, lambda one: [one.name], elsewhere=elsewhere)


def create_automation(
    automation: Automation, opened: OpenProject, secret: str = ""
) -> AutomationFolder:
    """Record an automation, and make its folder; refuse a name that is taken.

    With a `secret`, also create the token that starts its runs, and does nothing else.
    """
    name, state = automation.name, _state(opened)
    try:
        require_new_name(name)
    except ValueError as cause:
        raise InvalidAutomation(f"invalid name {name!r}", hint=str(cause)) from cause
    place = project_folder(state, automation.project) / AUTOMATIONS
    make_private_folder(place)
    with FileLock(place / ".lock").acquire(wait=_PATIENCE_S, purpose="attractor: automation"):
        if (place / name).exists():
            raise Refused(
                f"the automation {name} exists already",
                hint=f"choose another name, or: attractor automation remove {name}",
            )
        # The folder last: what a killed process left without it starts nothing, and ends here.
        _end_records(name, opened, by=automation.rights.by)
        if secret:
            # Imported here, because lists need no tokens, and it imports pydantic.
            from attractor.factory.ledger.tokens import TokenStore
            from attractor.factory.operator_process import Scope

            TokenStore(state).create(
                f"{name}-{automation.project[:8]}",
                Scope.START,
                secret,
                by=automation.rights.by,
                now=opened.now(),
                projects=[automation.project],
                automation=name,
            )
        made: JsonObject = {
            "name": name,
            "project": automation.project,
            "digest": automation.digest,
            "by": automation.rights.by,
        }
        opened.ledger.append(LineKind.AUTOMATION_CREATED, "", made, now=opened.now())
        content = canonical_json(write_record(automation)).encode()
        store_private_folder(place / name, [StoredFile(_RECORD, content)])
    return AutomationFolder(place / name)


def remove_automation(folder: AutomationFolder, opened: OpenProject, *, by: str) -> None:
    """Record that an automation is removed, and remove its folder and its tokens.

    A process that starts a run now ends first.
    """
    with FileLock(folder.lock).acquire(wait=_PATIENCE_S, purpose="attractor: automation remove"):
        _end_records(folder.name, opened, by=by)
        shutil.rmtree(folder.root)
        sync_folder(folder.root.parent)


def _end_records(name: str, opened: OpenProject, *, by: str) -> None:
    """Record that the automations of a name are removed, and revoke their tokens.

    A repeated call does what a killed process left.
    """
    for line in _created(opened.ledger):
        if (line.data["name"], line.data["project"]) == (name, _project_id(opened)):
            data = {**line.data, "by": by}
            opened.ledger.append(LineKind.AUTOMATION_REMOVED, "", data, now=opened.now())
    # Imported here, because lists need no tokens, and it imports pydantic.
    from attractor.factory.ledger.tokens import TokenStore

    store = TokenStore(_state(opened))
    for token in store.list():
        if token.automation == name and token.is_for(_project_id(opened)):
            store.revoke(token.name, by=by, now=opened.now())


def verified(
    folder: AutomationFolder, opened: OpenProject, recorded: Mapping[str, str] | None = None
) -> Automation:
    """Return the record of an automation; refuse an edited one, and one without its creator.

    `recorded` are the `recorded_digests` of the ledger, if they are read already.
    """
    automation = folder.read()
    recorded = recorded_digests(opened.ledger) if recorded is None else recorded
    if fault := _fault_of(automation, recorded, opened):
        raise ChangedAutomation(folder.name, fault)
    return automation


def recorded_digests(ledger: Ledger) -> Mapping[str, str]:
    """Return the hashes of the automations in the ledger, each with its project."""
    return {str(line.data["digest"]): str(line.data["project"]) for line in _created(ledger)}


def _created(ledger: Ledger) -> Sequence[LedgerEntry]:
    """Return the lines about automations that were not removed."""
    gone = {
        str(line.data["digest"]) for line in ledger.mentioning(LineKind.AUTOMATION_REMOVED.value)
    }
    made = ledger.mentioning(LineKind.AUTOMATION_CREATED.value)
    return [line for line in made if str(line.data["digest"]) not in gone]


def _fault_of(automation: Automation, recorded: Mapping[str, str], opened: OpenProject) -> str:
    """Return why an automation may start nothing, or ""."""
    if recorded.get(automation.digest) != _project_id(opened):
        return "its record was edited after it was created"
    if digest := automation.rights.token:
        # Imported here, because most automations have no token, and it imports pydantic.
        from attractor.factory.ledger.tokens import TokenStore
        from attractor.factory.operator_process import Scope

        store, by = TokenStore(_state(opened)), automation.rights.by
        tokens = {token.digest: token for token in store.list()}
        token = tokens.get(digest)
        allowed = token and token.scope.includes(Scope.OPERATE)
        if not token or not allowed or not token.is_for(automation.project):
            return f"the token {by}, with which it was created, has no such right any more"
        try:
            store.require_recorded(token)
        except (InvalidToken, VerificationError) as fault:
            return fault.message
    return ""


@dataclass(frozen=True)
class AutomationFault:
    """Something of an automation that needs a person; `key` changes with the fault."""

    name: str
    reason: str
    since: datetime
    key: str


def list_faults(opened: OpenProject) -> Iterator[AutomationFault]:
    """Yield what needs a person: damaged files, refused and failed starts, failed commands."""
    recorded: Mapping[str, str] | None = None
    for folder in list_automations(_state(opened), _project_id(opened)):
        recorded = recorded_digests(opened.ledger) if recorded is None else recorded
        try:
            fault = _fault_of(folder.read(), recorded, opened)
        except AttractorError as error:
            fault = error.message
        if fault:
            yield AutomationFault(folder.name, fault, _changed(folder.root, opened), "edited")
            continue
        try:
            yield from faults_of(folder.name, folder.starts.read(), opened.now())
        except AttractorError as error:
            # One damaged journal does not hide the faults of the other automations.
            changed = _changed(folder.root / _STARTS, opened)
            yield AutomationFault(folder.name, error.message, changed, "starts")


def _changed(path: Path, opened: OpenProject) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, opened.now().tzinfo)


def faults_of(name: str, starts: Starts, now: datetime) -> Iterator[AutomationFault]:
    """Yield what needs a person in the starts of an automation."""
    if (polled := starts.polled) and polled.fault:
        yield AutomationFault(name, polled.fault, polled.at, f"poll:{polled.at}")
    for fault, refused in starts.refused_since(now - REFUSED_FOR).items():
        last, more = refused[-1], f" (and {len(refused) - 1} earlier)" if refused[1:] else ""
        words = f"{last.kind} {last.occurrence}: {fault}{more}"
        yield AutomationFault(name, words, last.at, f"start:{last.run_id}")
    for failed in starts.failed_tries[:1]:
        words = f"a start waits, which failed: {failed.fault}"
        yield AutomationFault(name, words, failed.at, f"try:{failed.run_id}")


def _state(opened: OpenProject) -> Path:
    return opened.project.machine.state_dir


def _project_id(opened: OpenProject) -> str:
    return opened.identity.project_id()


def hold_starts(folder: AutomationFolder, patience_s: float) -> FileLock:
    """Lock the starts of an automation: one process after the other begins its run."""
    return FileLock(folder.lock).acquire(wait=patience_s, purpose=f"automation {folder.name}")


def is_starting(folder: AutomationFolder) -> bool:
    """Return whether a process starts a run of an automation now."""
    return FileLock.is_held(folder.lock)
