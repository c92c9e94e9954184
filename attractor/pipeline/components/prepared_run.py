"""A run that passed preflight and has its workspace: what the walk needs, and who judges it."""

from collections.abc import Awaitable, Callable

from attractor.base.dataclasses import dataclass
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Workspace
from attractor.environments.selection import EnvironmentChoice
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest
from attractor.pipeline.source.read import PipelineSource


@dataclass(frozen=True)
class PreparedRun:
    """The parts of a run, ready to be walked; its directory is an `OpenRun` beside it."""

    pipeline: PipelineSource
    request: RunRequest
    host: RunHost
    sandbox: EnvironmentChoice
    workspace: Workspace


@dataclass(frozen=True)
class Evaluation:
    """Callbacks of a judge: `begin` before the first stage, `finish` after a successful walk.

    Without `finish` a run that succeeded keeps waiting for its evaluation.
    """

    begin: Callable[[OpenRun, EnvironmentChoice], None]
    finish: Callable[[OpenRun, PreparedRun], Awaitable[None]] | None
