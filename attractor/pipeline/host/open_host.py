"""Builds the host of a run from the settings of its project."""

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
from attractor.pipeline.host.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.host.rule_levels import rule_levels
from attractor.pipeline.host.run_host import Notify, Observer, RunHost, report_nothing
from attractor.workspaces.setup.preparation import Preparation


def open_host(
    configuration: Configuration[Settings],
    *,
    environ: Mapping[str, str],
    input: TextIO,
    output: TextIO,
    observer: Observer | None = None,
    tell: Callable[[str], None] = report_nothing,
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
    custom_parts: CustomParts = NO_CUSTOM_PARTS,
) -> RunHost:
    """Return the host of a project, with the clock and the randomness of the machine."""
    settings = configuration.settings
    return RunHost(
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
        observer=observer,
        tell=tell,
        quiet=quiet,
        custom_parts=custom_parts,
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
