"""Drafts of a suite that an agent wrote in a run from a specification, and what is wrong with them.

The run works on a copy, and no suite judges it: what it wrote outside of `draft/` is the reference,
which is as secret as holdouts and never a candidate. The run and its drafts are kept in the state
folder: no agent reads them, and no list of runs shows them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path
from shlex import quote
from shutil import copytree
from tempfile import TemporaryDirectory

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import StoredFile, store_private_folder, write_whole
from attractor.base.json import Json
from attractor.factory.candidate_run import DRAFTS, SUITE_DRAFT, CandidateRun, read_candidate_run
from attractor.factory.evaluation.known_trees import known_trees
from attractor.factory.open_project import OpenProject
from attractor.factory.registration.first_suite import toml_text
from attractor.factory.registration.proof import SuiteProof
from attractor.factory.registration.register_suite import scope_of
from attractor.factory.registration.wrong_solutions import WrongSolutions
from attractor.factory.specification import read_committed
from attractor.scenarios.check import check_registry, files_of_checks
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.requirements import Sentence, moved_since
from attractor.scenarios.sealed_suite import SealedSuite, seal_suite
from attractor.scenarios.suite import Scenario, Suite
from attractor.scenarios.suite_files import (
    FIXTURES,
    PATCH_END,
    PATCHES,
    REQUIREMENTS_FILE,
    SCENARIO_END,
    SUITE_FILE,
    WRONG,
    list_suite_files,
)
from attractor.scenarios.suite_lint import lint_suite
from attractor.scenarios.suite_reader import WHOLE, read_suite
from attractor.workspaces.git.objects import LINK, SUBMODULE, FlatTree, write_tree
from attractor.workspaces.git.repository import find_prefix
from attractor.workspaces.run_store import open_store

STAGE = "draft"
FILE = f"{SUITE_DRAFT}.dot"

_DRAFT = b"draft/"
_SUITE, _FAULTS = "drafted", "faults.json"
_LARGEST_REFERENCE = 16 << 20
REFERENCE = f"{PATCHES}/{WHOLE}{PATCH_END}"
EVERYTHING = ""
"""Stands for all drafts of a run in the record of faults."""

Faults = Mapping[str, Sequence[str]]
"""The faults of drafts by their ids; those of `EVERYTHING` are faults of each."""


def pipeline_text(agent: str) -> str:
    """Return the pipeline of a run that drafts a suite."""
    return (
        f"digraph {SUITE_DRAFT} {{\n"
        "  start [shape=Mdiamond]; done [shape=Msquare]\n"
        f'  {STAGE} [prompt="$goal", auto_status=true, agent={json.dumps(agent)}]\n'
        f"  start -> {STAGE} -> done\n"
        "}\n"
    )


def task_of(spec: str) -> str:
    """Return the task of the agent."""
    return (
        f"Draft a suite from the specification {spec}: requirements, scenarios, a reference, and "
        f'wrong solutions. In {REQUIREMENTS_FILE}, write spec = "{spec}".'
    )


def settings_of(name: str) -> bytes:
    """Return the settings of a suite whose agent wrote none."""
    return f'name = {toml_text(name.lower())}\npipeline = "*"\n'.encode()


def drafts_folder(opened: OpenProject) -> Path:
    """Return the folder of the runs that draft suites of a project."""
    return opened.project.machine.state_dir / DRAFTS / opened.identity.create_id()


@dataclass(frozen=True)
class SuiteDraft:
    """The drafts of a run: a folder like that of a suite, and the faults of its parts."""

    run_id: str
    folder: Path
    faults: Faults = field(default_factory=dict[str, Sequence[str]])


async def open_draft(root: Path, opened: OpenProject, *, sandbox: str) -> SuiteDraft:
    """Return the drafts of a run; the first time, take them from its tree and play them."""
    facts = read_candidate_run(root)
    if not facts.drafts_suite:
        raise UsageError(f"{facts.run_id} drafts no suite", hint="attractor suite draft FOLDER")
    folder = root / _SUITE
    if not folder.is_dir():
        store_private_folder(folder, await _drafted_files(facts, opened))
    if kept := kept_draft(root):
        return kept
    found = await find_faults(folder, opened, sandbox=sandbox)
    write_whole(root / _FAULTS, json.dumps(found), mode=0o600)
    return SuiteDraft(facts.run_id, folder, found)


def kept_draft(root: Path) -> SuiteDraft | None:
    """Return the drafts of a run, if they were played before."""
    try:
        faults: dict[str, list[str]] = json.loads((root / _FAULTS).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return SuiteDraft(root.name, root / _SUITE, faults)


async def _drafted_files(facts: CandidateRun, opened: OpenProject) -> Sequence[StoredFile]:
    """Return the drafted files of a run, and the reference: all that it changed elsewhere."""
    machine, run_id = opened.project.machine, facts.run_id
    if facts.state.status.is_active:
        raise UsageError(
            f"run {run_id} has not ended",
            hint=f"continue it: attractor resume {quote(str(facts.directory.root))}",
        )
    store, workspace = open_store(machine.state_dir, run_id, search_path=machine.search_path)
    files, base = [await store.files_of(one) for one in (facts.tree, workspace.base.candidate)]
    # The project may have such a folder of its own.
    drafted = {
        path: one
        for path, one in files.items()
        if path.startswith(_DRAFT) and base.get(path) != one
    }
    if not drafted:
        raise UsageError(
            f"run {run_id} wrote nothing in {_DRAFT.decode()}",
            hint="see what its agent said: attractor logs "
            f"{quote(str(facts.directory.root))} --stage {STAGE}",
        )
    if odd := [path for path, one in drafted.items() if one.mode in (LINK, SUBMODULE)]:
        raise InvalidSuite(f"{odd[0].decode(errors='replace')} is a link", hint="draft again")
    prefix = await find_prefix(opened.project.root, search_path=machine.search_path)
    rest = {path: one for path, one in files.items() if path not in drafted}
    before, after = (write_tree(store.objects, _below(prefix, one)).hex() for one in (base, rest))
    patch = await store.diff(before, after, most=_LARGEST_REFERENCE + 1, binary=True)
    if len(patch) > _LARGEST_REFERENCE:
        raise InvalidSuite(
            f"the reference of run {run_id} exceeds {_LARGEST_REFERENCE >> 20} MiB",
            hint="let the agent draft again, without large files outside of draft/",
        )
    paths = [path.removeprefix(_DRAFT).decode(errors="replace") for path in drafted]
    contents = await store.with_blobs([one.id for one in drafted.values()], list)
    modes = [0o700 if one.mode & 0o100 else 0o600 for one in drafted.values()]
    found = {
        path: StoredFile(path, content, mode)
        for path, content, mode in zip(paths, contents, modes, strict=True)
    }
    found.setdefault(SUITE_FILE, StoredFile(SUITE_FILE, settings_of(STAGE)))
    if patch:
        found[REFERENCE] = StoredFile(REFERENCE, patch)
    return [*found.values()]


def _below(prefix: str, files: FlatTree) -> FlatTree:
    return {prefix.encode() + path: one for path, one in files.items()}


async def find_faults(folder: Path, opened: OpenProject, *, sandbox: str) -> Faults:
    """Return what is wrong with drafts, by reading and by playing them on the last commit."""
    faults: dict[str, list[str]] = {}
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "draft"
        copytree(folder, copy)
        suite = _readable(copy, faults)
        if suite is None:
            return faults
        text = await read_committed(opened.project, suite.requirements.spec)
        sealed = seal_suite(copy, Path(scratch) / "store")
        found = [*_read_faults(suite, text or ""), *await _played_faults(sealed, opened, sandbox)]
    for id_, words in found:
        faults.setdefault(id_, []).append(words)
    return faults


def _read_faults(suite: Suite, specification: str) -> Iterator[tuple[str, str]]:
    moved = {one.id for one in moved_since(suite.requirements, specification)}
    broken = {one.breaks for one in suite.settings.wrong}
    for scenario in suite.scenarios:
        for id_ in sorted({*scenario.proves} - broken):
            yield scenario.id, f"no wrong solution breaks {id_}: nothing shows that it is proved"
        for id_ in sorted(moved & {*scenario.proves}):
            yield scenario.id, f"{suite.requirements.spec} of the last commit lacks {id_}"
        if not scenario.proves:
            yield scenario.id, "it names no sentence in `proves`"
    yield from ((one.scenario, str(one)) for one in lint_suite(suite) if not one.is_hint)


async def _played_faults(
    sealed: SealedSuite, opened: OpenProject, sandbox: str
) -> list[tuple[str, str]]:
    async with known_trees(scope_of(opened), sandbox=sandbox) as trees:
        proof = await SuiteProof(sealed, trees).play(has_base=True)
        measured = await WrongSolutions(sealed, trees).measure()
    faults = [*proof.faults, *measured.false_proofs()]
    wrongs = [
        (f"{WRONG}/{one.id}", str(one.fault or one.warning))
        for one in measured.wrong
        if one.fault or not one.says_something
    ]
    return [*((one.scenario, str(one)) for one in faults), *wrongs]


def _readable(copy: Path, faults: dict[str, list[str]]) -> Suite | None:
    """Return the drafts without the files that are invalid, each of which is a fault."""
    for _ in range(len(list_suite_files(copy)) + 1):
        try:
            return read_suite(copy)
        except UsageError as error:
            words = error.message.replace(f"{copy}/", "")
            path = next((one.path for one in list_suite_files(copy) if one.path in words), "")
            is_part = path.endswith((SCENARIO_END, PATCH_END))
            words = f"{words} ({error.hint})" if error.hint else words
            faults.setdefault(_id_of(path) if is_part else EVERYTHING, []).append(words)
            if not is_part:
                return None
            (copy / path).unlink()
    return None


def _id_of(path: str) -> str:
    """Return the id of the draft that a file is."""
    if path.endswith(SCENARIO_END):
        return Path(path).name.removesuffix(SCENARIO_END)
    return path.removesuffix(PATCH_END)


@dataclass(frozen=True)
class DraftedPart:
    """A part of a suite that can be taken: a scenario, the reference, or a wrong solution.

    `files` are its paths; the last one makes it a part of a suite. `sentences` are those that it
    names. With faults it cannot be taken.
    """

    id: str
    title: str
    files: Sequence[str]
    sentences: Sequence[Sentence] = ()
    text: str = ""
    faults: Sequence[str] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        return {
            "id": self.id,
            "title": self.title,
            "files": list(self.files),
            "sentences": [{"id": one.id, "sentence": one.sentence} for one in self.sentences],
            "faults": list(self.faults),
        }


def parts_of(draft: SuiteDraft) -> list[DraftedPart]:
    """Return the parts of drafts, in the order in which a suite can take them."""
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "draft"
        copytree(draft.folder, copy)
        suite = _readable(copy, {})
    found = [*_scenarios(draft, suite), *_patches(draft, suite)] if suite else []
    known = {one.id for one in found}
    broken = [id_ for id_ in draft.faults if id_ not in known and id_ != EVERYTHING]
    add = partial(_with_faults, draft)
    return [add(one) for one in (*found, *(DraftedPart(id_, "", ()) for id_ in broken))]


def _with_faults(draft: SuiteDraft, part: DraftedPart) -> DraftedPart:
    faults = (*draft.faults.get(EVERYTHING, ()), *draft.faults.get(part.id, ()))
    return DraftedPart(part.id, part.title, part.files, part.sentences, part.text, faults)


def _scenarios(draft: SuiteDraft, suite: Suite) -> Iterator[DraftedPart]:
    known, kinds = suite.requirements.by_id, check_registry()
    paths = [one.path for one in list_suite_files(draft.folder)]
    # A suite needs a holdout first.
    for one in (*suite.of_split("holdout"), *suite.of_split("train")):
        file = f"{one.split}/{one.id}{SCENARIO_END}"
        named = [*(path for _, path in files_of_checks(one, kinds)), *_fixtures(one)]
        more = [
            path for path in paths if any(path == at or path.startswith(f"{at}/") for at in named)
        ]
        text = (draft.folder / file).read_text("utf-8")
        sentences = [known[id_] for id_ in one.proves]
        yield DraftedPart(one.id, one.title, (*more, file), sentences, text)


def _fixtures(scenario: Scenario) -> Iterator[str]:
    return (f"{FIXTURES}/{one.source}" for one in scenario.fixtures)


def _patches(draft: SuiteDraft, suite: Suite) -> Iterator[DraftedPart]:
    if (draft.folder / REFERENCE).is_file():
        text = (draft.folder / REFERENCE).read_text("utf-8", "replace")
        yield DraftedPart("reference", "The reference", (REFERENCE,), text=text)
    known = suite.requirements.by_id
    for one in suite.settings.wrong:
        if one.breaks in known:
            path = f"{WRONG}/{one.id}{PATCH_END}"
            text = (draft.folder / path).read_text("utf-8", "replace")
            title = f"Breaks {one.breaks}"
            yield DraftedPart(f"{WRONG}/{one.id}", title, (path,), [known[one.breaks]], text)
