"""Makes the world a run sees of what this call was given."""

import os
import sys
from datetime import timedelta

from attractor import __version__
from attractor.base.clock import SystemClock
from attractor.cli.invocation import Invocation
from attractor.cli.output import show
from attractor.config.settings import WorkspaceSettings
from attractor.pipeline.rule_levels import rule_levels
from attractor.pipeline.world import Watch, World, unwatched
from attractor.workspaces.preparation import Preparation


def world_of(invocation: Invocation, *, watch: Watch = unwatched) -> World:
    """Return the world as this call sees it; what it is told goes to standard error."""
    configuration = invocation.configuration
    return World(
        project=configuration.root,
        state_dir=configuration.settings.state_dir,
        runs_dir=configuration.settings.runs_dir,
        workspaces_dir=configuration.settings.workspaces_dir,
        environ=invocation.environ,
        clock=SystemClock(),
        randomness=os.urandom,
        input=sys.stdin,
        output=sys.stderr,
        version=__version__,
        levels=rule_levels(configuration),
        preparation=_preparation(configuration.settings.workspace),
        watch=watch,
        tell=lambda sentence: show(sentence, err=True),
    )


def _preparation(settings: WorkspaceSettings) -> Preparation:
    return Preparation(
        setup=settings.setup,
        setup_files=settings.setup_files,
        carry=settings.carry,
        setup_timeout=timedelta(minutes=settings.setup_minutes),
    )
