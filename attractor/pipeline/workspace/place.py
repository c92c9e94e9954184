"""The place in which the stages of a run work, if it is not this machine: `[places.NAME]`."""

import hashlib
import re
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName
from attractor.base.files import make_private_folder, write_whole
from attractor.environments.container import ContainerBounds
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.errors import PlaceRefused
from attractor.environments.places.registry import PlaceKind, WorkPlace, place_registry
from attractor.environments.remote import ANSWER_S, RemoteExecutionEnvironment
from attractor.environments.selection import EnvironmentChoice, describe_lacks
from attractor.pipeline.project.project import Project
from attractor.records.request import RunRequest
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.placed_environment import PlacedEnvironment, PlacedFolder

_STATE, _WHERE, _SEPARATOR = "places", "where", "+"
_REQUIRED = ("sh", "setsid", "tar", "find", "stat", "xargs")
_OPTIONAL = ("bash", "git", "python3")
_LEAST_FREE_MB = 64
_CLOCK_S = 120
# Not `\d`, which takes digits of all scripts; int() of a long number is costly.
_NUMBER = re.compile("[0-9]{1,15}")
_HOW = "in attractor.toml: [places.{name}] with kind, and with host or image"


def find_place(name: str, project: Project) -> WorkPlace:
    """Return a place of the settings, or raise an error with the known names."""
    if name not in project.places:
        unknown = UnknownName("place", name, tuple(project.places))
        if not project.places:
            unknown.hint = f"add it {_HOW.format(name=name)}"
        raise unknown
    known, most = project.places[name], project.bounds
    return WorkPlace(
        name=name,
        kind=known.kind,
        host=known.host,
        root=known.root,
        options=known.options,
        image=known.image,
        bounds=ContainerBounds(most.max_processes, most.max_memory_mb),
    )


def kind_of(place: WorkPlace) -> PlaceKind:
    """Return the kind of a place."""
    return place_registry()[place.kind]


def _environ(project: Project) -> Mapping[str, str]:
    """Return the variables of the program that connects; its settings may send some there."""
    hidden = project.machine.secret_variables
    return {name: one for name, one in project.machine.environ.items() if name not in hidden}


def require_placeable(workspace: str, place: str) -> None:
    """Refuse a place for a workspace that is a person's own folder, or has no snapshots."""
    kind = workspace_registry()[workspace]
    if kind.only_reads:
        raise Refused(
            f"a reader cannot work in the place {place}: it reads the files of this machine",
            hint="remove --place; or --read-only, or --workspace read-only",
        )
    if kind.create is None or not (kind.is_apart or kind.needs_folder):
        raise Refused(
            f"a run in the place {place} cannot work in the workspace {workspace}: "
            "that is the project folder itself",
            hint="remove --workspace or --place; or use a dimension: attractor dimension add NAME",
        )


def choose_place(
    request: RunRequest, project: Project, run_id: str, promises: Promises
) -> EnvironmentChoice:
    """Return the environments of the stages of a run that works in a place, with the promises that
    its check proved.
    """
    place = find_place(request.place, project)
    kind = kind_of(place)
    # The state folder is that of many projects, and a dimension may work in many places.
    parts = (_project_name(project), place.name, request.dimension)
    owner = _SEPARATOR.join(parts) if request.dimension else run_id
    state, folders = _records(project, owner), dict[Path, PlacedFolder]()
    # The setup is repeated where its files vanished.
    only = "" if kind.files_stay else f"#{secrets.token_hex(6)}"

    def make(folder: Path) -> ExecutionEnvironment:
        names = (_project_name(project), name_of(owner), folder.name)
        at = place.folder(*names)
        key = hashlib.sha256("\0".join((place.target, at)).encode()).hexdigest()[:32]
        environment = kind.connect(place, at, _environ(project), key)
        placed = folders.setdefault(folder, PlacedFolder(folder, state / key))
        if not (state / _WHERE).exists():
            make_private_folder(state.parent)
            make_private_folder(state)
            write_whole(state / _WHERE, _where(place, project, owner).encode(), sync=False)
        return PlacedEnvironment(environment, placed, f"{place.name}:{at}{only}")

    return EnvironmentChoice(place.kind, promises, _sentence(place, promises), make)


def _records(project: Project, owner: str) -> Path:
    """Return the folder with what is known about the files of a run or dimension in a place."""
    return project.machine.state_dir.resolve() / _STATE / owner


def _where(place: WorkPlace, project: Project, owner: str) -> str:
    at = place.folder(_project_name(project), name_of(owner))
    return f"{place.name}\n{place.target}:{at}\n"


def name_of(owner: str) -> str:
    """Return the name of the run or dimension that owns files in a place."""
    return owner.rpartition(_SEPARATOR)[2]


def placed_owners(project: Project) -> Sequence[str]:
    """Return the runs, and the dimensions in their places, of which files may be in a place."""
    found = _records(project, "").glob(f"*/{_WHERE}")
    return sorted(file.parent.name for file in found)


def placed_dimensions(project: Project) -> Sequence[str]:
    """Return the dimensions of this project among the owners."""
    begin = f"{_project_name(project)}{_SEPARATOR}"
    return [owner for owner in placed_owners(project) if owner.startswith(begin)]


def last_exchange(owner: str, project: Project) -> datetime:
    """Return when files were last exchanged with a place."""
    return datetime.fromtimestamp(_records(project, owner).stat().st_mtime, UTC)


def find_placed(owner: str, project: Project) -> str:
    """Return where the files of a run or dimension are in a place, for people."""
    name, where = (_records(project, owner) / _WHERE).read_text().splitlines()
    return f"{name} ({where})"


async def remove_placed(owner: str, project: Project) -> None:
    """Remove the files of a run or dimension from its place, and what is known about them here."""
    known = (_records(project, owner) / _WHERE).read_text()
    place = find_place(known.partition("\n")[0], project)
    if known != _where(place, project, owner):
        raise Refused(
            f"the place {place.name} of this project is another one",
            hint="type the command in their project, or remove the files there",
        )
    if kind_of(place).files_stay:
        at = place.folder(_project_name(project))
        environment = kind_of(place).connect(place, at, _environ(project), "")
        try:
            await environment.initialize()
            names = b"./%s\0" % name_of(owner).encode()
            await environment.call("remove_paths", str(len(names)), stdin=names, seconds=600)
        finally:
            await environment.cleanup()
    shutil.rmtree(_records(project, owner))


def _sentence(place: WorkPlace, promises: Promises) -> str:
    kind = kind_of(place)
    sentence = f"Stages work in the place {place.name} ({place.kind} {place.target}), "
    lacks = describe_lacks(promises)
    leaks = "" if kind.files_stay or not lacks else f"; not proved, so {lacks}"
    return f"{sentence}{kind.sentence}{leaks}."


def _project_name(project: Project) -> str:
    """Return the folder of a project in a place, which no other project has."""
    root = project.root.resolve()
    whole = f"{socket.gethostname()}\0{root}\0{project.machine.state_dir.resolve()}"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", root.name)[:40].lstrip(".-") or "project"
    return f"{plain}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class PlaceFault:
    """A reason why no run can work in a place, and its remedy."""

    message: str
    fix: str


@dataclass(frozen=True)
class PlaceReport:
    """A place that was reached: its system and programs, and what is wrong with it.

    `clock_seconds` is how far its clock is ahead.
    """

    place: WorkPlace
    platform: str
    folder: str
    programs: Sequence[tuple[str, str]]
    free_mb: int
    clock_seconds: int
    faults: Sequence[PlaceFault]
    promises: Promises
    lacks: Sequence[str]

    @property
    def notices(self) -> Sequence[str]:
        """Sentences about what does not keep runs from working there."""
        if abs(self.clock_seconds) < _CLOCK_S:
            return self.lacks
        direction = "ahead" if self.clock_seconds > 0 else "behind"
        return (
            *self.lacks,
            f"The clock of {self.place.name} is {abs(self.clock_seconds)} seconds {direction}; "
            "files are exchanged nevertheless.",
        )

    @property
    def sentence(self) -> str:
        """How stages work there."""
        return _sentence(self.place, self.promises)


def connect_for_check(place: WorkPlace, project: Project) -> RemoteExecutionEnvironment:
    """Return the environment in which a place is checked."""
    at = place.folder(_project_name(project), "check")
    return kind_of(place).connect(place, at, _environ(project), "")


async def examine(
    environment: RemoteExecutionEnvironment,
    place: WorkPlace,
    project: Project,
    needed: Sequence[str] = (),
) -> PlaceReport:
    """Return what a connected place has, and what it lacks; write and remove a probe there.

    The programs of backends are `needed`, too.
    """
    required = dict.fromkeys([*_REQUIRED, *needed])
    names = tuple(dict.fromkeys([*required, *_OPTIONAL]))
    said = await environment.call("examine", *names, seconds=ANSWER_S)
    lines = said.decode("utf-8", "replace").splitlines()
    if len(lines) != 2 + len(names) or not all(map(_NUMBER.fullmatch, lines[:2])):
        raise PlaceRefused(
            f"the place {place.name} answers {said[:80]!r}",
            hint="its shell must print nothing by itself: look at its start-up files",
        )
    now, free, *paths = lines
    programs = list(zip(names, paths, strict=True))
    lacking = [name for name, path in programs if name in required and not path]
    where = f"the image {place.image}" if place.image else f"the place {place.name}"
    how = "use an image that has {}" if place.image else "install {} there"
    faults = [PlaceFault(f"{where} has no program {name}", how.format(name)) for name in lacking]
    if (free_mb := int(free) >> 10) < _LEAST_FREE_MB:
        words = f"the disk of {place.name} is full: {free_mb} MiB are free"
        faults.append(PlaceFault(words, "remove files there, or choose another root"))
    ahead = int(now) - int(project.machine.clock.now().timestamp())
    return PlaceReport(
        place,
        environment.platform(),
        environment.working_directory(),
        programs,
        free_mb,
        ahead,
        faults,
        environment.promises(),
        await look(environment) if (look := kind_of(place).look) else (),
    )


async def check_place(name: str, project: Project) -> PlaceReport:
    """Connect to a place, and return what it has and lacks."""
    place = find_place(name, project)
    environment = connect_for_check(place, project)
    try:
        await environment.initialize()
        return await examine(environment, place, project)
    finally:
        await environment.cleanup()
