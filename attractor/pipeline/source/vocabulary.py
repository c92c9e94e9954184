"""The names in a project that the lint rules look up."""

import re
import shutil
from collections.abc import Iterator, Mapping, Set
from functools import cached_property, partial
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.registry import Registry
from attractor.config.projects import AGENTS, find_project_root
from attractor.engine.questions.edge_labels import accelerator
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.preparation.prepare import FolderFiles

# The default shell of `environments/local.py`, which imports asyncio: too slow for `validate`.
_SHELL = "/bin/bash"

_SHELL_TIMEOUT_S = 5


def known_names(project: Path, *, environ: Mapping[str, str]) -> Vocabulary:
    """Return the names in a project, for the lint rules."""
    return Vocabulary(
        types=_parts("attractor.handlers"),
        backends=_parts("attractor.backends"),
        providers=_parts("attractor.llm.providers"),
        models=KnownModels(),
        agents=KnownAgents(project / AGENTS),
        has_program=partial(_is_on_path, path=environ.get("PATH", "")),
        shell_error=shell_error,
        accelerator=accelerator,
    )


def find_provider_fault(
    model: str, provider: str, *, environ: Mapping[str, str]
) -> AttractorError | None:
    """Return the variables or the package that the provider of a model lacks."""
    # Only pipelines that name models need it.
    from attractor.backends.provider_needs import find_fault, provider_of

    return find_fault(provider or provider_of(model), environ)


class KnownModels(Set[str]):
    """The ids and short names of the catalogue, which is read when a rule needs it.

    Every name counts as known if the catalogue cannot be read.
    """

    @cached_property
    def _names(self) -> Set[str] | None:
        # Only pipelines that name models need it.
        from attractor.llm.catalogue import shipped_catalogue

        try:
            return shipped_catalogue().positions.keys()
        except AttractorError:
            return None

    def __contains__(self, name: object) -> bool:
        """Return whether the catalogue contains a model with this name."""
        return self._names is None or name in self._names

    def __iter__(self) -> Iterator[str]:
        """Yield all names."""
        return iter(self._names or ())

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._names or ())


class KnownAgents(Set[str]):
    """The names of the agents in a folder and of the shipped ones, listed when one is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _names(self) -> Set[str]:
        # Few pipelines name agents.
        from attractor.agent.prompts import find_agents

        return find_agents([self._folder]).keys()

    def __contains__(self, name: object) -> bool:
        """Return whether there is an agent of this name."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Yield all names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._names)


def _parts(package: str) -> Set[str]:
    # A view, so that the folder is only listed when a rule needs it.
    return Registry(package, object, noun="part").keys()


def _is_on_path(program: str, *, path: str) -> bool:
    return shutil.which(program, path=path) is not None


def shell_error(command: str) -> str:
    """Return the syntax error that the shell of tool stages reports, or an empty text."""
    # Imported here, because only pipelines with commands need it.
    import subprocess

    try:
        checked = subprocess.run(
            [_SHELL, "-n", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C.UTF-8"},
            timeout=_SHELL_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    first_line = checked.stderr.decode("utf-8", "replace").partition("\n")[0]
    return re.sub(r"\A.*? -c: (?:line \d+: )?", "", first_line) if checked.returncode else ""


def files_beside(file: Path) -> FolderFiles:
    """Return the files near a pipeline; files outside of the project are not read."""
    folder = file.absolute().parent
    return FolderFiles(folder, within=find_project_root(folder))
