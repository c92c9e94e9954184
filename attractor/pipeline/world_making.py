"""Makes the world of a run of what a project is set to, and of what is handed in."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from attractor import __version__
from attractor.base.clock import SystemClock
from attractor.config.schema import Configuration
from attractor.config.settings import NotifySettings, Settings, WorkspaceSettings
from attractor.environments.variables import inherited
from attractor.pipeline.brought import NOTHING_BROUGHT, Brought
from attractor.pipeline.notices import Notify
from attractor.pipeline.rule_levels import rule_levels
from attractor.pipeline.world import Watch, World, untold, unwatched
from attractor.workspaces.setup.preparation import Preparation


def make_world(
    configuration: Configuration[Settings],
    *,
    environ: Mapping[str, str],
    input: TextIO,
    output: TextIO,
    watch: Watch = unwatched,
    tell: Callable[[str], None] = untold,
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
    brought: Brought = NOTHING_BROUGHT,
) -> World:
    """Return the world of a project; its time and its randomness are the machine's."""
    settings = configuration.settings
    return World(
        project=configuration.root,
        state_dir=settings.state_dir,
        runs_dir=settings.runs_dir,
        workspaces_dir=settings.workspaces_dir,
        environ=environ,
        clock=SystemClock(),
        randomness=os.urandom,
        input=input,
        output=output,
        version=__version__,
        levels=rule_levels(configuration),
        preparation=_preparation(settings.workspace),
        notify=_notify(settings.notify, environ, folder=configuration.root),
        llm=settings.llm,
        watch=watch,
        tell=tell,
        quiet=quiet,
        brought=brought,
    )


def _preparation(settings: WorkspaceSettings) -> Preparation:
    return Preparation(
        setup=settings.setup,
        setup_files=settings.setup_files,
        carry=settings.carry,
        carry_read_only=settings.carry_read_only,
        setup_timeout=timedelta(minutes=settings.setup_minutes),
    )


def _notify(settings: NotifySettings, environ: Mapping[str, str], *, folder: Path) -> Notify:
    return Notify(
        command=settings.command,
        url=settings.url.get_secret_value(),
        after=timedelta(seconds=settings.after_seconds),
        time_limit=timedelta(seconds=settings.timeout_seconds),
        folder=folder,
        variables=inherited(environ),
    )
