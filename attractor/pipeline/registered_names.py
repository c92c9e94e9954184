"""What there is to be named in a pipeline: types, backends, agents, providers, programs.

Nothing is imported for it: a rule that asks for a name lists a folder, and no more.

The files that a pipeline may name: those beside it, and elsewhere in its project.
"""

import shutil
from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path

from attractor.base.registry import Registry
from attractor.config.projects import find_project_root
from attractor.engine.questions.edge_labels import accelerator
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.preparation.transform import FolderFiles

AGENTS = "agents"


def known_names(project: Path, *, environ: Mapping[str, str]) -> Vocabulary:
    """Return what the rules may ask for in a project."""
    return Vocabulary(
        types=_parts("attractor.handlers"),
        backends=_parts("attractor.backends"),
        providers=_parts("attractor.llm.providers"),
        agents=_agents(project / AGENTS),
        has_program=partial(_is_on_path, path=environ.get("PATH", "")),
        accelerator=accelerator,
    )


def _parts(package: str) -> Set[str]:
    # A view: the folder is listed when a rule first asks.
    return Registry(package, object, noun="part").keys()


def _agents(folder: Path) -> Set[str] | None:
    """Return the names of a project's agents; one without any uses others that are not known."""
    try:
        found = {one.name for one in folder.iterdir() if one.is_dir()}
    except OSError:
        return None
    return {name for name in found if not name.startswith(("_", "."))} or None


def _is_on_path(program: str, *, path: str) -> bool:
    return shutil.which(program, path=path) is not None


def files_beside(file: Path) -> FolderFiles:
    """Return the files around a pipeline; what lies outside its project is not read."""
    folder = file.absolute().parent
    return FolderFiles(folder, within=find_project_root(folder))
