"""The tree of an app: specification, plan and written bodies.

A stage of the crew sees the tree of its workspace, and a check that of the candidate in a trial.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import Stage as RunStage
from attractor.growth.apps.skeleton import APP_FOLDERS, generate
from attractor.growth.apps.stack import FilePart, GeneratedFile
from attractor.growth.development import DevelopmentalSpec, read_development
from attractor.growth.errors import InvalidApp
from attractor.growth.lineage import DeployedStage, newest, read_stages
from attractor.growth.plans.plan import Proposal, read_proposal
from attractor.growth.specification.files import read_spec
from attractor.growth.specification.graph import SpecGraph
from attractor.scenarios.check import Observation
from attractor.workspaces.folders import scratch_folder

STEPS, PANELS = "app/steps/", "app/panels/"

NOT_BUILT = "NotBuilt"
"""The word in bodies that nobody has written yet."""


@dataclass(frozen=True)
class AppTree:
    """The files of an app in a folder, read once."""

    folder: Path
    graph: SpecGraph
    development: DevelopmentalSpec
    stage: DeployedStage | None
    """The newest stage of the lineage, if there is one."""

    @property
    def proposal(self) -> Proposal | None:
        """The committed plan: the growth of the specification at its newest stage."""
        morphs = [morph["morph"] for morph in self._plan.get("morphs", [])]
        tests = self._plan.get("tests", [])
        return read_proposal({"morphs": morphs, "tests": tests}) if morphs else None

    @property
    def _plan(self) -> Mapping[str, Any]:
        return cast("dict[str, Any]", dict(self.stage.plan)) if self.stage else {}

    @cached_property
    def generated(self) -> Mapping[str, GeneratedFile]:
        """The files that follow from the specification."""
        return generate(self.graph)

    @property
    def bodies(self) -> Mapping[str, str]:
        """The node of each file with a body, by the path of the file."""
        files = self.generated.items()
        return {path: Path(path).stem for path, file in files if file.part is FilePart.BODY}

    def text(self, path: str) -> str:
        """Return the text of a file of the tree; empty if it does not exist."""
        file = self.folder / path
        return file.read_text("utf-8") if file.is_file() else ""

    def open_bodies(self) -> Sequence[str]:
        """Return the files whose body has to be written: new ones, and those the plan touches."""
        return [
            path
            for path, node in self.bodies.items()
            if self._is_new(path) or self._is_touched(node)
        ]

    def unwritten_bodies(self) -> Sequence[str]:
        """Return the files of steps that nobody has written yet."""
        return [body for body in self.bodies if NOT_BUILT in (self.text(body) or NOT_BUILT)]

    def _is_new(self, path: str) -> bool:
        text = self.text(path)
        is_panel = path.startswith(PANELS)
        return NOT_BUILT in (text or NOT_BUILT) or (is_panel and text == self.generated[path].text)

    def _is_touched(self, node: str) -> bool:
        """Return whether the committed plan writes a node, or a slot of it."""
        morphs = self._plan.get("morphs", [])
        written = (name for morph in morphs for name in morph["writes"])
        return any(name == node or name.endswith(f" of {node}") for name in written)


def read_app_tree(folder: Path) -> AppTree:
    """Read the tree of an app."""
    stages = read_stages(folder)
    newest_stage = newest(stages) if stages else None
    return AppTree(folder, read_spec(folder), read_development(folder), newest_stage)


@asynccontextmanager
async def open_tree(stage: RunStage) -> AsyncGenerator[AppTree]:
    """Yield the tree of a stage, exported to a folder of its own."""
    tree = await stage.workspace.snapshot(stage.id)
    with scratch_folder() as folder:
        await stage.workspace.export(tree, folder)
        yield read_app_tree(folder)


async def write_changes(stage: RunStage, tree: AppTree, change: Callable[[Path], object]) -> str:
    """Change the exported files, and then the same files of the workspace; return a summary."""
    before = _texts(tree.folder)
    change(tree.folder)
    after = _texts(tree.folder)
    changed = [one for one in after if before.get(one) != after[one]]
    removed = sorted(before.keys() - after.keys())
    for path in changed:
        await stage.workspace.environment.write_file(path, after[path])
    for path in removed:
        await stage.workspace.environment.delete_file(path)
    return f"{len(changed)} files written, {len(removed)} removed"


def _texts(folder: Path) -> Mapping[str, bytes]:
    files = (path for top in APP_FOLDERS for path in sorted((folder / top).rglob("*")))
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


PATTERNS = ("spec/**/*", "app/**/*")
MOST_BYTES = 1 << 20


@asynccontextmanager
async def candidate_tree(observed: Observation) -> AsyncGenerator[AppTree]:
    """Yield the tree of the candidate, copied to a folder of its own."""
    with scratch_folder() as folder:
        await copy_files(observed, PATTERNS, folder)
        yield read_app_tree(folder)


async def copy_files(observed: Observation, patterns: Sequence[str], folder: Path) -> None:
    """Copy files of the candidate into a folder, or raise InvalidApp for one that is too large."""
    environment = observed.environment
    for pattern in patterns:
        for path in await environment.glob(pattern):
            if "__pycache__" not in path:
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                content = await environment.read_bytes(path, limit=MOST_BYTES + 1)
                if len(content) > MOST_BYTES:
                    raise InvalidApp(f"{path}: too large for a check (limit: {MOST_BYTES} bytes)")
                file.write_bytes(content)
