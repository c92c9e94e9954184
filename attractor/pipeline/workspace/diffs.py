"""The changes of a run or of a stage, file by file, for people."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.base.json import Json
from attractor.base.patterns import late_pattern
from attractor.base.records import write_fields
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.stage.patch import QUOTE, clean_patch, files_of, path_in
from attractor.engine.walk.steps import DIFF
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffstat import Diffstat
from attractor.records.delivery import read_delivery
from attractor.records.timeline import StageAttempt
from attractor.workspaces.run_store import STORES, open_store, read_record

LARGEST_DIFF = 1 << 20
"""The maximum number of bytes of a diff; the rest is cut off."""

_BINARY = late_pattern(rb"^(GIT binary patch|Binary files .* differ)$", re.MULTILINE)
_HUNK = re.compile(rb"^@@ ", re.MULTILINE)


@dataclass(frozen=True)
class FileDiff:
    """The changes of one file as a unified diff; of a binary file, only the header."""

    path: str
    added: int
    deleted: int
    is_binary: bool
    text: str

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the changes."""
        return write_fields(self, is_binary="binary")


@dataclass(frozen=True)
class Diff:
    """The changes of several files.

    `remarks` name files that the diff lacks, and new files that a reader should know, and tell
    whether secrets were replaced. If the diff
    was too large, `is_cut` is true: the last file is incomplete, and further files are missing.
    """

    files: Sequence[FileDiff] = ()
    remarks: str = ""
    is_cut: bool = False

    @property
    def summary(self) -> str:
        """The numbers of files and lines; empty without changes."""
        if not self.files:
            return ""
        added, deleted = (
            sum(one.added for one in self.files),
            sum(one.deleted for one in self.files),
        )
        return f"{number_of(len(self.files), 'file')}, +{added} \N{MINUS SIGN}{deleted}"

    @property
    def text(self) -> str:
        """The whole diff as text."""
        cut = f"[cut here: the diff has more than {LARGEST_DIFF} bytes]\n" if self.is_cut else ""
        head = f"{self.remarks}\n" if self.remarks else ""
        return head + "".join(one.text for one in self.files) + cut

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the diff."""
        return write_fields(self, is_cut="cut")


def parse_diff(content: bytes) -> Diff:
    """Return the files of a patch, cut after the largest size of a diff."""
    is_cut = len(content) > LARGEST_DIFF
    if is_cut:
        content = content[: content.rfind(b"\n", 0, LARGEST_DIFF) + 1]
    # Not splitlines, which also splits at a carriage return inside a line.
    lines = content.split(b"\n")
    if any(one.startswith(QUOTE + b"diff --git ") for one in lines):
        # A patch in which secrets were replaced is quoted, so that no program applies it.
        content = b"\n".join(one.removeprefix(QUOTE) for one in lines)
    begin = content.find(b"diff --git ")
    head = content if begin < 0 else content[:begin]
    files = [_file_diff(one) for one in files_of(content)]
    return Diff(files, head.decode("utf-8", "replace").strip(), is_cut)


def _file_diff(part: bytes) -> FileDiff:
    binary = _BINARY.search(part.partition(b"\n@@ ")[0])
    text = part[: binary.start()] if binary else part
    hunk = None if binary else _HUNK.search(text)
    lines = text[hunk.start() :].split(b"\n") if hunk else []
    added, deleted = (sum(one.startswith(mark) for one in lines) for mark in (b"+", b"-"))
    shown = text.decode("utf-8", "replace")
    return FileDiff(path_in(part), added, deleted, binary is not None, shown)


def read_stage_diff(one: StageAttempt) -> Diff:
    """Return the changes of an attempt, from the patch in its folder; empty without a patch."""
    if all(file.name != DIFF for file in one.files()):
        return Diff()
    return parse_diff(one.read_file(DIFF, most=LARGEST_DIFF + 1))


async def read_run_diff(root: Path, project: Project) -> Diff:
    """Return the changes of a run so far, from its base, without secrets."""
    machine = project.machine
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    progress = open_journal(directory.events, directory.checkpoint).state.progress
    if progress is None or not progress.tree:
        return Diff()
    if read_record(machine.state_dir / STORES / manifest.run_id) is None:
        branch = read_delivery(directory).branch
        look = f"git diff {manifest.base.commit[:12]}..{branch}" if branch else ""
        message = f"the snapshots of run {manifest.run_id} were removed"
        raise Refused(message, hint=look or "a run without its snapshots has no diff")
    store, record = open_store(machine.state_dir, manifest.run_id, search_path=machine.search_path)
    since, most = record.base.candidate, LARGEST_DIFF + 1
    content = await store.diff(since, progress.tree, most=most, binary=False)
    diff = parse_diff(clean_patch(content, project.redactor))
    # The patch may be cut, the list of files is whole.
    listed = Diffstat(await store.changed_files(since, progress.tree)).redacted(project)
    return replace(diff, remarks=" ".join(filter(None, [diff.remarks, *listed.warnings])))
