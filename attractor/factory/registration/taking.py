"""Takes drafted parts into the source of a suite, one after the other, as a person says.

Each part is in the suite as soon as its last file is there: the files before it are those that it
names. A take that was killed is completed by the same take, and of two at a time one waits.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.files import file_error, read_regular, write_whole
from attractor.base.json import Json, content_hash
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.drafts import (
    STAGE,
    DraftedPart,
    SuiteDraft,
    drafts_folder,
    kept_draft,
    parts_of,
    settings_of,
)
from attractor.factory.registration.first_suite import toml_text
from attractor.pipeline.source.files import locked, path_in
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.requirements import Sentence, folded
from attractor.scenarios.suite_files import REQUIREMENTS_FILE, SUITE_FILE, TWINS, read_suite_file
from attractor.scenarios.suite_reader import read_requirements, read_suite

_SKIPPED, _FOLDER = "skipped", "folder"


class Standing(StrEnum):
    """The state of a drafted part for the source of a suite."""

    WAITING = "waiting"
    TAKEN = "taken"
    SKIPPED = "skipped"
    FAULTY = "faulty"


@dataclass(frozen=True)
class DraftView:
    """The drafts of a run beside the source of the suite that takes them."""

    draft: SuiteDraft
    folder: Path
    parts: Sequence[tuple[DraftedPart, Standing]]

    def count(self, standing: Standing) -> int:
        """Return the number of parts that have a standing."""
        return sum(one is standing for _, one in self.parts)

    def place_of(self, id_: str) -> int:
        """Return the position of the part with an id, from 0."""
        known = [part.id for part, _ in self.parts]
        if id_ not in known:
            raise UnknownName("draft", id_, known)
        return known.index(id_)

    def after(self, place: int) -> int | None:
        """Return the position of the part that waits next after a position, from the top again."""
        waits = [at for at, (_, one) in enumerate(self.parts) if one is Standing.WAITING]
        return next((at for at in waits if at > place), waits[0] if waits else None)

    def to_record(self, root: Path) -> dict[str, Json]:
        """Return the numbers as JSON, without any word of the drafts."""
        numbers: dict[str, Json] = {str(one): self.count(one) for one in Standing}
        return {
            "run_id": self.draft.run_id,
            "folder": str(self.folder.relative_to(root)),
            "parts": len(self.parts),
            **numbers,
        }


def view(draft: SuiteDraft, folder: Path) -> DraftView:
    """Return the drafts of a run as they stand for the source of a suite."""
    return DraftView(draft, folder, [(one, _stands(draft, one, folder)) for one in parts_of(draft)])


def views_of(opened: OpenProject) -> Iterator[DraftView]:
    """Yield the drafts of a project that were played, oldest run first."""
    for one in sorted(drafts_folder(opened).glob("*")):
        if draft := kept_draft(one):
            yield view(draft, folder_of(draft, opened.project.root))


def folder_of(draft: SuiteDraft, root: Path, name: str = "") -> Path:
    """Return the source of the suite for the drafts, below a project (default: the chosen one)."""
    record = draft.folder.with_name(_FOLDER)
    if not name and record.is_file():
        chosen = Path(read_regular(record).decode())
        name = str(chosen.relative_to(root)) if chosen.is_relative_to(root) else ""
    place = path_in(root, name or f"scenarios/{root.name.lower()}")
    parts = place.relative_to(root.resolve()).parts
    if not parts or parts[0] == "runs" or any(one.startswith(".") for one in parts):
        raise UsageError(f"{name!r} is no place for a suite", hint="such as scenarios/NAME")
    return root / Path(*parts)


def choose_folder(draft: SuiteDraft, folder: Path) -> None:
    """Keep the source of the suite for the drafts of a run."""
    write_whole(draft.folder.with_name(_FOLDER), str(folder.absolute()), mode=0o600)


def waiting(draft: SuiteDraft, folder: Path) -> list[DraftedPart]:
    """Return the drafted parts that a suite does not have yet."""
    return [part for part, one in view(draft, folder).parts if one is not Standing.TAKEN]


def _stands(draft: SuiteDraft, part: DraftedPart, folder: Path) -> Standing:
    # A person may have edited it since.
    if part.files and (folder / part.files[-1]).is_file():
        return Standing.TAKEN
    if part.faults:
        return Standing.FAULTY
    return Standing.SKIPPED if _skip_mark(draft, part).exists() else Standing.WAITING


def skip(draft: SuiteDraft, part: DraftedPart) -> None:
    """Keep that a person has read a part and not taken it; it can be taken later."""
    mark = _skip_mark(draft, part)
    mark.parent.mkdir(mode=0o700, exist_ok=True)
    mark.touch()


def _skip_mark(draft: SuiteDraft, part: DraftedPart) -> Path:
    # An id can have a slash, and as many characters as a name of a file.
    return draft.folder.with_name(_SKIPPED) / content_hash(part.id.encode())


def part_named(draft: SuiteDraft, id_: str) -> DraftedPart:
    """Return the part with an id."""
    known = {one.id: one for one in parts_of(draft)}
    if id_ not in known:
        raise UnknownName("draft", id_, known)
    return known[id_]


@dataclass(frozen=True)
class TakenPart:
    """The files of a part in the source of a suite, which may have been there before."""

    files: Sequence[Path]
    was_taken: bool


def take(draft: SuiteDraft, part: DraftedPart, folder: Path) -> TakenPart:
    """Write a part into the source of a suite, with the sentences that it proves.

    Refuse a part with faults, and one with which the suite would be invalid.
    """
    if part.faults:
        faults = "".join(f"\n  {one}" for one in part.faults)
        raise Refused(
            f"{part.id} cannot be taken:{faults}",
            hint="let the agent draft again, or write the scenario yourself",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("write", folder, cause) from cause
    # The list of sentences is read and written by each take.
    with locked(folder.parent):
        was_taken = _stands(draft, part, folder) is Standing.TAKEN
        _try(draft, part, folder)
        files = _write(draft, part, folder)
        choose_folder(draft, folder)
    return TakenPart(files, was_taken)


def _try(draft: SuiteDraft, part: DraftedPart, folder: Path) -> None:
    """Refuse a part with which the suite would be invalid, or write outside of its folder."""
    for path in part.files:
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{folder / path} leads out of {folder}", hint="remove the link")
    with TemporaryDirectory() as scratch:
        tried = Path(scratch) / folder.name
        with suppress(FileNotFoundError):
            copytree(folder, tried)
        (Path(scratch) / TWINS).symlink_to(folder.absolute().parent / TWINS)
        _write(draft, part, tried)
        try:
            read_suite(tried)
        except InvalidSuite as fault:
            raise Refused(
                f"{part.id} cannot be taken now: {fault.message.replace(f'{scratch}/', '')}",
                hint=fault.hint or "take the scenarios first",
            ) from fault


def _write(draft: SuiteDraft, part: DraftedPart, folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / SUITE_FILE).exists():
            settings = read_suite_file(draft.folder / SUITE_FILE)
            is_own = settings != settings_of(STAGE)
            write_whole(folder / SUITE_FILE, settings if is_own else settings_of(folder.name))
        _add_sentences(part.sentences, draft, folder)
        written: list[Path] = []
        for path in part.files:
            source, there = draft.folder / path, folder / path
            content = read_suite_file(source)
            if there.exists() and there.read_bytes() != content:
                raise UsageError(
                    f"{there} exists with another content",
                    hint="remove it, or rename the draft's by hand",
                )
            there.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
            write_whole(there, content, mode=mode)
            written.append(there)
    except OSError as cause:
        raise file_error("write", folder, cause) from cause
    return written


def _add_sentences(sentences: Sequence[Sentence], draft: SuiteDraft, folder: Path) -> None:
    """Add sentences to the list of a suite, unless it has them."""
    file = folder / REQUIREMENTS_FILE
    drafted, known = read_requirements(draft.folder), read_requirements(folder)
    text = file.read_text("utf-8") if file.exists() else f"spec = {toml_text(drafted.spec)}\n"
    for one in sentences:
        there = known.by_id.get(one.id)
        if there and folded(there.sentence) != folded(one.sentence):
            raise UsageError(
                f"{file} has another sentence {one.id!r}", hint="rename it by hand, or draft again"
            )
        if there is None:
            text += f"\n[[requirement]]\nid = {toml_text(one.id)}\n"
            text += f"sentence = {toml_text(one.sentence)}\n"
            text += f"at = {toml_text(one.at)}\n" if one.at else ""
    write_whole(file, text)
