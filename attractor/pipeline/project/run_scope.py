"""The scope of one run: its secrets, its agents, and the additions of its policy."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.config.user_folders import OPERATOR_VARIABLE, STARTED_BY_VARIABLE
from attractor.engine.seams import StageMemory
from attractor.engine.storage.secrets import Redactor
from attractor.language.declarations.inputs import is_of_input
from attractor.pipeline.project.custom_parts import CustomParts
from attractor.pipeline.project.project import Project
from attractor.workspaces.preparation import Preparation


@dataclass(frozen=True, kw_only=True)
class RunScope:
    """The project of a run, its secrets and agents, and what its policy adds.

    `secrets` are values in the settings of the project, and those that the caller or the pipeline
    of the run passed. `parts` are those of the project, with the transforms of the policy.
    `readable` are paths, and `passed_variables` the names of variables, that the sandbox shows;
    `sandbox_env` are variables that it adds. `agents_folder` contains the agents of the project, or
    those that the run began with. The `memory` has the lessons of the project.
    """

    project: Project
    agents_folder: Path
    secrets: tuple[str, ...]
    parts: CustomParts
    preparation: Preparation
    readable: Sequence[Path]
    sandbox_env: Mapping[str, str]
    passed_variables: Sequence[str] = ()
    memory: StageMemory | None = None

    @classmethod
    def of(cls, project: Project, secrets: Iterable[str] = ()) -> "RunScope":
        """Return the scope of a run without a policy."""
        return cls(
            project=project,
            agents_folder=project.agents_folder,
            secrets=tuple(dict.fromkeys((*project.secrets, *secrets))),
            parts=project.parts,
            preparation=project.preparation,
            readable=project.readable,
            sandbox_env=project.sandbox_env,
        )

    @cached_property
    def redactor(self) -> Redactor:
        """Replaces secrets in everything that is written."""
        return self.project.redactor_of(self.secrets)

    @cached_property
    def variables_of_tools(self) -> Mapping[str, str]:
        """The environment variables that tools may see: without secrets and without inputs of the
        run.
        """
        secrets = set(self.secrets)
        return {
            name: value
            for name, value in self.project.machine.environ.items()
            if value not in secrets
            and not is_of_input(name)
            and name not in (OPERATOR_VARIABLE, STARTED_BY_VARIABLE)
        }
