"""Has runs traced where that is asked for: by the setting, or by the variables of OpenTelemetry."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attractor import __version__
from attractor.base.errors import UsageError
from attractor.cli.invocation import Invocation
from attractor.cli.output import show
from attractor.pipeline.tracing.settings import REMEDY, Traced, is_wanted, require_spoken

if TYPE_CHECKING:
    from attractor.pipeline.tracing.export import Tracing


def tracing_of(invocation: Invocation) -> "Sequence[Tracing]":
    """Return what traces the run of this call, if it is to be traced.

    Variables may be meant for other programs: where we can't do what they ask for, we say so and go
    on. What the setting asks for has to be done.
    """
    choice = Traced(invocation.configuration.settings.tracing.enabled)
    if not is_wanted(choice, invocation.environ):
        return ()
    try:
        return (_tracing(invocation),)
    except UsageError as obstacle:
        if choice is Traced.ON:
            raise
        show(f"This run is not traced: {obstacle.message} ({obstacle.hint}).", err=True)
        return ()


def _tracing(invocation: Invocation) -> "Tracing":
    require_spoken(invocation.environ)
    # An extra, and slow to load.
    try:
        from attractor.pipeline.tracing.export import Tracing, otlp_exporter
    except ModuleNotFoundError as cause:
        told = f"{cause.name} is not installed"
        raise UsageError(told, hint=f"{REMEDY}, or turn it off: OTEL_SDK_DISABLED=true") from cause
    return Tracing(
        otlp_exporter(invocation.environ),
        salt=os.urandom(8),
        version=__version__,
        tell=lambda sentence: show(sentence, err=True),
    )
