"""The changed files of a run, with the number of added and deleted lines."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from attractor.base.amounts import format_size, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.journal.events import FilesChangedByOthers
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.attempts import TreeId
from attractor.language.source.text import visible
from attractor.pipeline.project.project import Project
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import ChangedFile, ObjectStore
from attractor.workspaces.git.objects import TreeChange, text_of
from attractor.workspaces.result_tree import visible_name
from attractor.workspaces.run_store import open_store

_OTHERS = FilesChangedByOthers.__name__
MOST_SHOWN = 10
MOST_RECORDED = 1000
MOST_STARTING = 50
LARGE_FILES = 50
LARGE_SIZE = 5 << 20
"""A new folder is large if it has more new files or bytes than that."""


@dataclass(frozen=True)
class Diffstat:
    """The files in which two trees differ; `by_others` are those that no stage of a run changed."""

    files: Sequence[ChangedFile]
    by_others: Sequence[str] = ()

    @property
    def summary(self) -> str:
        """The number of files and lines, such as `2 files changed, +10 -3`."""
        files = len(self.files)
        if not files:
            return "no files changed"
        return f"{files} file{'' if files == 1 else 's'} changed, +{self._added} -{self._deleted}"

    def lines(self, indent: str = "  ") -> list[str]:
        """Return the diffstat for people: the summary and the first files.

        Files that start programs or direct agents come before all others.
        """
        starting = self.starting
        others = [file for file in self.files if file not in starting]
        lines = [f"{indent}changes: {self.summary}"]
        if starting:
            lines += [f"{indent}  start programs or direct agents, read these first:"]
            lines += _listed(starting, f"{indent}    ", MOST_STARTING)
            lines += [f"{indent}  others:"] * bool(others)
        lines += _listed(others, f"{indent}    " if starting else f"{indent}  ", MOST_SHOWN)
        return [*lines, *(f"{indent}{warning}" for warning in self.warnings)]

    @property
    def starting(self) -> Sequence[ChangedFile]:
        """The files that start programs or direct agents, by their names."""
        return [file for file in self.files if _starting().ignores_file(_name(file.path))]

    @property
    def warnings(self) -> list[str]:
        """Sentences about files that a reader should know."""
        read = [visible(one.path) for one in self.files if one.is_new and _instructs(one.path)]
        found = {
            "large new folders, no result if a build wrote them": [*_large_folders(self.files)],
            "an agent may read these as instructions": read,
            "changed by others between the stages": [*map(visible, self.by_others)],
        }
        return [f"{words}: {_some(names)}" for words, names in found.items() if names]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record; the list of files is limited, the numbers are not."""
        files: list[Json] = [
            {"path": one.path, "added": one.added, "deleted": one.deleted}
            for one in self.files[:MOST_RECORDED]
        ]
        return {
            "count": len(self.files),
            "added": self._added,
            "deleted": self._deleted,
            "files": files,
            "starting": [file.path for file in self.starting],
            "warnings": list[Json](self.warnings),
        }

    def redacted(self, project: Project) -> "Diffstat":
        """Return the diffstat without secrets in file names."""
        text = project.redactor.text
        return Diffstat(
            [
                replace(one, path=text(one.path), new_folder=text(one.new_folder))
                for one in self.files
            ],
            [text(path) for path in self.by_others],
        )

    @property
    def _added(self) -> int:
        return sum(one.added or 0 for one in self.files)

    @property
    def _deleted(self) -> int:
        return sum(one.deleted or 0 for one in self.files)


async def read_diffstat(project: Project, run_id: str, tree: TreeId) -> Diffstat | None:
    """Return the changes of a run from its base to a tree, without secrets in file names.

    Return None if the run has no such trees.
    """
    if not tree:
        return None
    try:
        store, record = open_store(
            project.machine.state_dir, run_id, search_path=project.machine.search_path
        )
        base = record.base.candidate
        files = await store.changed_files(base, tree)
        known = await _changed_by_stages(store, project.runs_dir / run_id, base, tree)
    except AttractorError:
        # The workspace was removed, or the run had none.
        return None
    paths = [one.path for one in files]
    others = [] if known is None else [path for path in paths if path not in known]
    return Diffstat(files, others).redacted(project)


async def own_changes(
    project: Project, run_id: str, tree: TreeId
) -> tuple[ObjectStore, Sequence[TreeChange]]:
    """Return the store of a run, and the changes of its stages, without those of others."""
    machine = project.machine
    store, record = open_store(machine.state_dir, run_id, search_path=machine.search_path)
    base = record.base.candidate
    known = await _changed_by_stages(store, project.runs_dir / run_id, base, tree)
    changes = await store.changes(base, tree)
    return store, [one for one in changes if known is None or text_of(one.path) in known]


async def _changed_by_stages(
    store: ObjectStore, root: Path, base: TreeId, tree: TreeId
) -> Collection[str] | None:
    """Return the paths that changed while stages executed; None if no others changed files."""
    journal = RunDirectory(root).events
    events = [*events_of(journal, [_OTHERS])] if journal.exists() else []
    if not events:
        return None
    starts = [base, *(str(event.data["until"]) for event in events)]
    ends = [*(str(event.data["since"]) for event in events), tree]
    spans = [await store.changed_files(*span) for span in zip(starts, ends, strict=True)]
    return {one.path for span in spans for one in span}


@cache
def _starting() -> IgnoreRules:
    text = Path(__file__).with_name("starting_files.txt").read_text("utf-8")
    return IgnoreRules({}, text.casefold().splitlines())


def _name(path: str) -> bytes:
    # Some file systems ignore case and invisible characters.
    return visible_name(path.encode("utf-8", "surrogateescape")).casefold().encode()


def _listed(files: Sequence[ChangedFile], indent: str, most: int) -> Iterator[str]:
    shown = [(visible(file.path), _counts(file)) for file in files[:most]]
    width = max((len(path) for path, _ in shown), default=0)
    yield from (f"{indent}{path:<{width}}  {counts}" for path, counts in shown)
    if len(files) > most:
        yield f"{indent}and {number_of(len(files) - most, 'more file')}"


def _instructs(path: str) -> bool:
    """Return whether a file is Markdown with a name in capitals at the top, as `AGENTS.md` is."""
    name, _, ending = path.rpartition(".")
    return ending.casefold() == "md" and "/" not in name and name.isupper()


def _large_folders(files: Sequence[ChangedFile]) -> Iterator[str]:
    """Yield each new folder with many new files or bytes, with these numbers."""
    sizes: dict[str, list[int]] = {}
    for one in files:
        sizes.setdefault(one.new_folder, []).append(one.size)
    for folder, found in sizes.items():
        if folder and (len(found) > LARGE_FILES or sum(found) > LARGE_SIZE):
            yield visible(f"{folder}/ ({number_of(len(found), 'file')}, {format_size(sum(found))})")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return f"{', '.join(names[:MOST_SHOWN])}{more}"


def _counts(one: ChangedFile) -> str:
    return "binary" if one.added is None else f"+{one.added} -{one.deleted}"
