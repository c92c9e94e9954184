"""Verifies the running release against the ledger and its promoted commit, before each start.

The ledger names the commit of a promoted run, where its app runs, and its packages. The commit has
the files, the stage and the plan. So `release.json` and the files of a release are only believed
where they agree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, VerificationError
from attractor.base.files import remove_file, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.base.records import read_record, write_fields, write_record
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.open_project import OpenProject
from attractor.growth.apps.divergence import INCIDENTS, spec_of_files
from attractor.growth.apps.files import Files
from attractor.growth.apps.packages import InstalledPackage, edited_files, installed_packages
from attractor.growth.apps.process import sandbox_of
from attractor.growth.apps.skeleton import STACK
from attractor.growth.apps.stack import stacks
from attractor.growth.apps.verification import read_commit
from attractor.growth.deployment.release import (
    BUBBLEWRAP,
    CURRENT,
    NONE,
    RECORD,
    ExpectedRelease,
    Release,
    ReleaseRecord,
    Releases,
    tree_hash,
)
from attractor.growth.lineage import LINEAGE, DeployedStage, newest, parse_stage
from attractor.growth.specification.files import write_file
from attractor.pipeline.project.project import Project
from attractor.workspaces.git.repository import open_repository

_RESTORE = "restore it and keep the edit: attractor spec verify --reconverge"


class ReleaseDiffers(VerificationError):
    """A release that differs from the ledger or from its promoted commit."""


@dataclass(frozen=True)
class ReleaseFault:
    """A file or package that differs, what is wrong with it, and the remedy."""

    path: str
    problem: str
    remedy: str = _RESTORE

    def describe(self) -> str:
        """Return the fault as a sentence."""
        return f"{self.path} {self.problem}"


@dataclass(frozen=True)
class ReleaseCheck:
    """The running release after its check, with the right files and the right record.

    Packages that are `updated` have other versions than at the deployment.
    """

    release: Release
    faults: tuple[ReleaseFault, ...]
    updated: tuple[str, ...] = ()
    record: ReleaseRecord | None = None
    """The right record; None if the ledger does not know the release."""
    files: Files | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return the check as JSON."""
        return {
            "stage": self.release.folder.name,
            "faults": [write_fields(one) for one in self.faults],
            "updated": list[Json](self.updated),
        }

    @property
    def sandbox(self) -> str:
        """Where the app runs by the ledger, or "" for a release that it does not know."""
        return self.record.sandbox if self.record else ""

    @property
    def expected(self) -> ExpectedRelease:
        """The facts for a start of the app; refuse a release with a fault."""
        self.require_right()
        assert self.record
        assert self.files is not None
        return ExpectedRelease(self.record.sandbox, tree_hash(self.files))

    def require_right(self) -> None:
        """Refuse a release with a fault."""
        for fault in self.faults[:1]:
            more = f", and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
            stage = self.release.folder.name
            raise ReleaseDiffers(f"{stage}: {fault.describe()}{more}", hint=fault.remedy)


def record_release(project: Project, release: Release) -> None:
    """Add the line of a new running release to the ledger."""
    record = release.record
    packages: dict[str, Json] = {
        name: write_record(one)
        for name, one in installed_packages(stacks()[STACK].packages).items()
    }
    data: JsonObject = {
        "project": OpenProject(project).identity.project_id(),
        "stage": record.stage,
        "commit": record.commit,
        "tree": tree_hash(release.files()),
        "sandbox": record.sandbox,
        "packages": packages,
    }
    ledger, now = Ledger(project.machine.state_dir), project.machine.clock.now()
    ledger.append(LineKind.RELEASED, record.run_id, data, now=now, once=True)


async def check_release(project: Project, releases: Releases) -> ReleaseCheck | None:
    """Check the running release; None before the first one."""
    current = releases.current
    if current is None:
        _require_no_release(project, releases)
        return None
    pinned = await _pinned_by_ledger(project, current)
    if isinstance(pinned, ReleaseFault):
        return ReleaseCheck(current, (pinned,))
    commit, files, stage, released = pinned
    if released:
        sandbox = str(released.data["sandbox"])
    else:
        # Of an earlier version, or after a kill; the file does not decide it.
        sandbox = BUBBLEWRAP if (await sandbox_of(project)).make_showing else NONE
    record = ReleaseRecord(
        stage.stage,
        current.record.run_id,
        commit,
        str(stage.plan.get("plan_id", "")),
        # The folder of releases may have been lost before.
        current.record.follows and stage.parent,
        sandbox,
    )
    faults = [
        *_record_faults(current, record, is_released=released is not None),
        *_file_faults(current, files),
        *_order_faults(project, releases, stages_of(files)),
    ]
    known = released.data["packages"] if released else {}
    damaged, updated = _packages(cast("Mapping[str, JsonObject]", known))
    return ReleaseCheck(current, (*faults, *damaged), tuple(updated), record, files)


class PinnedTree(NamedTuple):
    """The commit that the ledger promoted for a release, with its files and its stage.

    `released` is the line of the release; None of an earlier version, or after a kill.
    """

    commit: str
    files: Files
    stage: DeployedStage
    released: LedgerEntry | None


async def pinned_tree(project: Project, release: Release) -> PinnedTree:
    """Return the tree that the ledger pins for a release, or raise ReleaseDiffers."""
    found = await _pinned_by_ledger(project, release)
    if isinstance(found, ReleaseFault):
        raise ReleaseDiffers(found.describe(), hint=found.remedy)
    return found


async def _pinned_by_ledger(project: Project, release: Release) -> PinnedTree | ReleaseFault:
    promoted, released = _lines(project, release.record.run_id)
    place = _path(release, RECORD)
    if promoted is None:
        problem = f"names the run {release.record.run_id!r}, which the ledger does not promote"
        hint = f"restore {release.folder} from a backup, or deploy a plan: attractor grow plan"
        return ReleaseFault(place, problem, hint)
    commit = str(promoted.data["commit"])
    try:
        repository = await open_repository(project.root, search_path=project.machine.search_path)
        files = await read_commit(repository, await repository.commit(commit))
        stage = newest(stages_of(files))
        spec_of_files(files)
    except AttractorError as cause:
        problem = f"comes from the commit {commit[:12]}, which cannot be read: {cause.message}"
        hint = "fetch the commit, or restore the repository from a backup"
        return ReleaseFault(place, problem, hint)
    if released and released.data["tree"] != tree_hash(files):
        problem = f"comes from the commit {commit[:12]}, which has other files than the ledger says"
        return ReleaseFault(place, problem, "restore the repository from a backup")
    return PinnedTree(commit, files, stage, released)


async def expected_release(project: Project, releases: Releases) -> ExpectedRelease:
    """Return the facts for a start of the running release, or raise ReleaseDiffers."""
    check = await check_release(project, releases)
    if check is None:
        raise ReleaseDiffers(f"{releases.folder} has no current release")
    return check.expected


async def require_right_release(project: Project, releases: Releases) -> None:
    """Refuse a running release with a fault before its code exports the state."""
    if check := await check_release(project, releases):
        check.require_right()


def restore_release(check: ReleaseCheck, repository: Path) -> tuple[str, Sequence[str]]:
    """Restore a release; return the folder with the edits, or "", and the restored paths."""
    if check.record is None or check.files is None:
        return "", ()
    release, right = check.release, check.files
    present = release.files()
    edited = {
        path: present.get(path)
        for path in sorted(present.keys() | right.keys())
        if present.get(path) != right.get(path)
    }
    names = {path: _path(release, f"tree/{path}") for path in edited}
    kept = {names[path]: content for path, content in edited.items() if content is not None}
    restored = list(names.values())
    if release.record != check.record:
        kept[_path(release, RECORD)] = (release.folder / RECORD).read_bytes()
        restored.append(_path(release, RECORD))
    hashes: dict[str, Json] = {path: content_hash(content) for path, content in kept.items()}
    incident = INCIDENTS / content_hash(canonical_json(hashes).encode())[:12]
    for path, content in kept.items():
        write_file(repository / incident / path, content)
    for path in edited:
        file = release.tree / path
        if file.is_symlink() or path not in right:
            remove_file(file)
        if path in right:
            write_file(file, right[path])
    write_whole(release.folder / RECORD, canonical_json(write_record(check.record)))
    return str(incident) if kept else "", restored


def stages_of(files: Files) -> Sequence[DeployedStage]:
    """Return the stages in the files of a commit."""
    return [
        parse_stage(content.decode(errors="replace"), place=path)
        for path, content in files.items()
        if path.startswith(f"{LINEAGE.as_posix()}/")
    ]


def _lines(project: Project, run_id: str) -> tuple[LedgerEntry | None, LedgerEntry | None]:
    """Return the lines of the ledger about the promotion and the release of a run."""
    ledger = Ledger(project.machine.state_dir)
    found = {one.kind: one for one in ledger.entries(run_id)} if run_id else {}
    return found.get(LineKind.PROMOTED), found.get(LineKind.RELEASED)


def _record_faults(
    current: Release, right: ReleaseRecord, *, is_released: bool
) -> Iterator[ReleaseFault]:
    """Yield the wrong facts of `release.json`."""
    wanted = right if is_released else replace(right, sandbox=current.record.sandbox)
    for name in (one.name for one in fields(ReleaseRecord)):
        found, known = getattr(current.record, name), getattr(wanted, name)
        if found != known:
            problem = f"says {name} {found!r}, the ledger says {known!r}"
            yield ReleaseFault(_path(current, RECORD), problem)
    if current.folder.name != right.stage:
        problem = f"is the folder of {right.stage}"
        hint = f"ln -sfn {right.stage} {current.folder.parent / CURRENT}"
        yield ReleaseFault(current.folder.name, problem, hint)


def _file_faults(current: Release, right: Files) -> Iterator[ReleaseFault]:
    """Yield the files of the tree that are not those of the commit."""
    present = current.files()
    for path in sorted(present.keys() | right.keys()):
        if present.get(path) != right.get(path):
            word = "is unknown" if path not in right else "was edited"
            fault = word if path in present else "is missing"
            yield ReleaseFault(_path(current, f"tree/{path}"), fault)


def _order_faults(
    project: Project, releases: Releases, stages: Sequence[DeployedStage]
) -> Iterator[ReleaseFault]:
    """Yield a fault if an earlier release than the last one is the running one."""
    last = _last_release(project)
    if last and last not in [one.stage for one in stages]:
        link = releases.folder / CURRENT
        problem = f"leads to {link.readlink()}; the ledger's last release is {last}"
        yield ReleaseFault(CURRENT, problem, f"ln -sfn {last} {link}")


def _require_no_release(project: Project, releases: Releases) -> None:
    """Refuse a missing link: without it, a deployment would begin without records."""
    last = _last_release(project)
    if last and (releases.folder / last).is_dir():
        link = releases.folder / CURRENT
        fault = f"{link} is missing; the ledger's last release is {last}"
        raise ReleaseDiffers(fault, hint=f"ln -s {last} {link}")


def _last_release(project: Project) -> str:
    """Return the stage of the last release in the ledger, or ""."""
    project_id = OpenProject(project).identity.project_id()
    entries = Ledger(project.machine.state_dir).mentioning(project_id) if project_id else ()
    last = ""
    for entry in entries:
        if entry.kind == LineKind.RELEASED and entry.data["project"] == project_id:
            last = str(entry.data["stage"])
    return last


def _packages(known: Mapping[str, JsonObject]) -> tuple[Sequence[ReleaseFault], Sequence[str]]:
    """Return the faults of packages, and the packages with other versions than at the release."""
    names = stacks()[STACK].packages
    faults = [
        ReleaseFault(str(file), f"is not as {package} installs it", _reinstall(package))
        for package, file in edited_files(names)
    ]
    updated: list[str] = []
    now = installed_packages(names)
    for name, record in known.items():
        before = read_record(InstalledPackage, record)
        found = now.get(name, InstalledPackage("none"))
        if found.version != before.version:
            updated.append(f"{name} {before.version} -> {found.version}")
        elif found != before:
            package = f"{name}=={found.version}"
            problem = "has other files than at the deployment"
            faults.append(ReleaseFault(package, problem, _reinstall(package)))
    return faults, updated


def _reinstall(package: str) -> str:
    return f"install it again: pip install --force-reinstall --no-deps {package}"


def _path(release: Release, name: str) -> str:
    return f"releases/{release.folder.name}/{name}"
