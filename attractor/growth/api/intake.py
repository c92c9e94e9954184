"""Takes in desires that appear as files in a folder, each content once.

The result of a content is recorded as `intake/<hash>.json` below the control plane, before its
file moves to `done/` or `refused/`: after a kill, the file is found again, and the record says how
far it came. A file is read when nobody wrote it for a second.
"""

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, MachineryError, Refused, UsageError
from attractor.base.files import file_error, sync_folder, write_whole
from attractor.base.json import Json, canonical_json, content_hash
from attractor.base.locks import FileLock
from attractor.base.records import read_object, read_record, write_fields, write_record
from attractor.growth.api.plans import plan as plan_growth
from attractor.growth.api.specs import normalize_given
from attractor.growth.apps.skeleton import APP_FOLDERS
from attractor.growth.control_plane import ControlPlane
from attractor.growth.errors import InvalidDesire, InvalidSpec, ModelAnswerRefused
from attractor.growth.normalize.reading import STRUCTURED, read_given
from attractor.growth.plain_text import faults_of_text
from attractor.growth.plans.store import PlanState
from attractor.growth.specification.store import HEAD, spec_id

DONE, REFUSED = "done", "refused"
NOTE = ".why.txt"
LARGEST = 64 * 1024
PAUSE_S = 1.0
_RETRY_S = 30.0
_ENDINGS = STRUCTURED | {".txt", ".md"}
_NAME = re.compile(r"\w[\w .,()+-]*")
_LONGEST_NAME = 100
_AGAIN = "then put it into the folder again"


@dataclass(frozen=True)
class Intake:
    """The result of the content of a file: its specification, its plan, or why there is none."""

    name: str
    spec_graph_id: str
    plan_id: str = ""
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True)
class IntakeEvent:
    """A file that was taken in or refused, and moved; or one that has to wait."""

    file: str
    state: Literal["taken", "refused", "waiting"]
    spec_graph_id: str = ""
    plan_id: str = ""
    problem: str = ""
    next: str = ""
    moved_to: str = ""

    def to_dict(self) -> dict[str, Json]:
        """Return the JSON record."""
        return write_fields(self)


class _Signature(NamedTuple):
    """Identifies the content of a file without reading it."""

    inode: int
    size: int
    changed_ns: int


class DesireFolder:
    """A folder in which people put their desires; `plans` also plans for each of them."""

    def __init__(self, control_plane: ControlPlane, folder: Path, *, plans: bool = False) -> None:
        _require_inbox(folder, control_plane)
        control_plane.folder.mkdir(parents=True, exist_ok=True)
        self._plane = control_plane
        self._folder = folder
        self._plans = plans
        self._seen: dict[str, tuple[_Signature, float]] = {}
        self._retry_at: dict[str, float] = {}
        self.lock = FileLock(control_plane.folder / "intake.lock")

    @property
    def waiting(self) -> Sequence[str]:
        """The files that were seen and not taken in yet."""
        return [*self._seen]

    def take(self) -> Iterator[IntakeEvent]:
        """Take in the files that nobody wrote for a second."""
        found = [*_entries(self._folder)]
        self._seen = {name: one for name, one in self._seen.items() if name in found}
        for name in found:
            try:
                event = self._look(name)
            except FileNotFoundError:
                continue
            except OSError as cause:
                event = self._postpone(name, file_error("take in", self._folder / name, cause))
            except AttractorError as fault:
                event = self._postpone(name, fault)
            if event:
                yield event

    def _postpone(self, name: str, fault: AttractorError) -> IntakeEvent:
        """Try a file again later: the model, the settings or the disk are at fault."""
        self._retry_at[name] = time.monotonic() + _RETRY_S
        return IntakeEvent(_shown(name), "waiting", problem=fault.message, next=_hint(fault))

    def _look(self, name: str) -> IntakeEvent | None:
        """Take a file in, refuse it, or return None if it has to wait."""
        file, now = self._folder / name, time.monotonic()
        status = file.lstat()
        found = _signature(status)
        if fault := _fault_of_file(name, status):
            return self._refuse(name, found, fault)
        signature, since = self._seen.get(name, (None, now))
        if signature != found:
            self._seen[name] = (found, now)
            return None
        if now - since < PAUSE_S or now < self._retry_at.get(name, 0.0) or not found.size:
            return None
        content = _read(file)
        if _signature(file.lstat()) != found:
            return None
        # Before: a fault of the app's own specification is not that of the file.
        self._plane.specs.load(HEAD)
        try:
            intake = self._take(name, content)
        except (InvalidDesire, InvalidSpec, ModelAnswerRefused) as fault:
            return self._refuse(name, found, fault)
        return self._finish(name, found, intake)

    def _finish(self, name: str, found: _Signature, intake: Intake) -> IntakeEvent | None:
        next_ = f"attractor grow plan {intake.spec_graph_id}"
        if intake.plan_id:
            next_ = f"attractor grow simulate {intake.plan_id}"
        event = IntakeEvent(
            name,
            "taken",
            intake.spec_graph_id,
            intake.plan_id,
            problem=intake.problem,
            next=intake.hint or next_,
        )
        lines = [f"Taken in as {intake.spec_graph_id}."]
        if intake.name != name:
            lines.append(f"The same words came before, in {intake.name}.")
        if intake.problem:
            lines.append(f"No plan was made: {intake.problem}")
        return self._move(event, name, found, DONE, [*lines, f"Next: {event.next}"])

    def _refuse(self, name: str, found: _Signature, fault: AttractorError) -> IntakeEvent | None:
        hint = _hint(fault) or "correct it"
        event = IntakeEvent(_shown(name), "refused", problem=fault.message, next=hint)
        lines = [f"Refused: {event.problem}", f"What to do: {hint}; {_AGAIN}."]
        return self._move(event, name, found, REFUSED, lines)

    def _move(
        self,
        event: IntakeEvent,
        name: str,
        signature: _Signature,
        folder: str,
        lines: Sequence[str],
    ) -> IntakeEvent | None:
        """Write the note, and move the file beside it; return None if the file was replaced."""
        to = _free(self._folder / folder, _plain(name))
        note = to.with_name(to.name + NOTE)
        write_whole(note, "\n".join([*lines, ""]))
        (self._folder / name).rename(to)
        if _signature(to.lstat()) != signature:
            # Another content came meanwhile, and nobody has read it.
            to.rename(_free(self._folder, name))
            note.unlink()
            return None
        sync_folder(to.parent)
        self._seen.pop(name, None)
        return replace(event, moved_to=f"{folder}/{to.name}")

    def _take(self, name: str, content: bytes) -> Intake:
        """Return what becomes of a content, or became of it before a kill."""
        record = self._plane.folder / "intake" / f"{content_hash(content)}.json"
        if record.exists():
            intake = read_record(Intake, read_object(record, UsageError))
            self._require_no_dropped(intake)
        else:
            try:
                given = read_given(_decoded(content), source=name)
                answer = normalize_given(self._plane, given, HEAD)
            except RecursionError as cause:
                raise InvalidDesire("nested too deeply", hint="write a plain desire") from cause
            intake = Intake(name, str(answer["spec_graph_id"]))
            _save(intake, record)
        if self._plans and not intake.plan_id:
            intake = self._planned(intake)
            _save(intake, record)
        return intake

    def _require_no_dropped(self, intake: Intake) -> None:
        """Raise InvalidDesire if a person dropped or rejected the plan of these words."""
        plans, id_ = self._plane.plans, intake.plan_id
        if id_ in plans.ids() and plans.recorded_state(id_) is PlanState.DROPPED:
            raise InvalidDesire(
                f"these words came before, in {intake.name}, and their plan {id_} was dropped",
                hint=f"see why: attractor grow status {id_}; write what is different",
            )

    def _planned(self, intake: Intake) -> Intake:
        """Return the intake with its plan, also one that was made before a kill."""
        for plan in self._plane.plans.open_plans():
            if spec_id(plan.base) == intake.spec_graph_id:
                return replace(intake, plan_id=plan.id, problem="", hint="")
        try:
            made = plan_growth(self._plane, intake.spec_graph_id)
        except MachineryError:
            raise
        except (UsageError, Refused, ModelAnswerRefused) as fault:
            return replace(intake, problem=fault.message, hint=_hint(fault))
        return replace(intake, plan_id=str(made["plan_id"]), problem="", hint="")


def _hint(fault: AttractorError) -> str:
    return "; ".join(fault.hint.splitlines())


def _shown(name: str) -> str:
    return name if not _fault_of_name(name) else ascii(name)[1:-1]


def _save(intake: Intake, record: Path) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    write_whole(record, canonical_json(write_record(intake)))


def _require_inbox(folder: Path, control_plane: ControlPlane) -> None:
    """Make the folders of files that were read; refuse a folder with other files than desires."""
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}", hint=f"make it: mkdir {folder}")
    if control_plane.repository.resolve().is_relative_to(folder.resolve()):
        hint = "files of the folder are moved: name a folder that has nothing but desires"
        raise UsageError(f"{folder} contains the app", hint=hint)
    for own in (*(control_plane.repository / name for name in APP_FOLDERS), control_plane.folder):
        if folder.resolve().is_relative_to(own.resolve()):
            hint = "files of the folder are moved: make another one for desires, such as wishes/"
            raise UsageError(f"{folder} belongs to the app", hint=hint)
    if control_plane.head is None:
        hint = "deploy its first plan: attractor grow status"
        raise Refused("the app has no specification in its repository yet", hint=hint)
    for name in (DONE, REFUSED):
        (folder / name).mkdir(exist_ok=True)
        if (folder / name).is_symlink():
            raise UsageError(f"{folder / name} is a link", hint="remove it")


def _entries(folder: Path) -> Iterator[str]:
    """Yield the files that may be desires, by name; others are left where they are."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        is_ours = not entry.name.startswith(".") and not entry.name.endswith(NOTE)
        is_desire = Path(entry.name).suffix.lower() in _ENDINGS
        if is_ours and is_desire and not entry.is_dir(follow_symlinks=False):
            yield entry.name


def _signature(status: os.stat_result) -> _Signature:
    return _Signature(status.st_ino, status.st_size, status.st_mtime_ns)


def _fault_of_file(name: str, status: os.stat_result) -> InvalidDesire | None:
    """Return why a file is refused unread."""
    if fault := _fault_of_name(name):
        return InvalidDesire(fault, hint="give it a short name of letters and digits")
    if not stat.S_ISREG(status.st_mode):
        return InvalidDesire("it is not a regular file", hint="put the file itself here, no link")
    if status.st_size > LARGEST:
        return InvalidDesire(f"it is larger than {LARGEST // 1024} kB", hint="say less")
    return None


def _fault_of_name(name: str) -> str:
    for fault in faults_of_text(name):
        return f"the name has {fault}"
    is_usual = _NAME.fullmatch(name) and len(os.fsencode(name)) <= _LONGEST_NAME
    return "" if is_usual else f"the name {ascii(name)} is unusual or too long"


def _read(file: Path) -> bytes:
    """Return the content of a file, never that of the target of a link."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        return stream.read(LARGEST)


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise InvalidDesire("it is not UTF-8", hint="save it as text in UTF-8") from cause
    if "\0" in text:
        raise InvalidDesire("it is a binary file", hint="save it as text in UTF-8")
    return text


def _plain(name: str) -> str:
    """Return a name that any program shows; a usual name stays as it is."""
    if not _fault_of_name(name):
        return name
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)[: _LONGEST_NAME // 2]
    return f"unusual-{stem}"


def _free(folder: Path, name: str) -> Path:
    """Return a path that no file has: the name, or the name with a number."""
    path, number = folder / name, 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path
