"""Begins the tracing of the run that a process executes, if it is enabled."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attractor import __version__
from attractor.base.errors import UsageError
from attractor.base.installation import install_command
from attractor.records.tracing.settings import Traced, is_wanted, require_supported

if TYPE_CHECKING:
    from attractor.records.tracing.export import Tracing

Tell = Callable[[str], None]


def begin_tracing(choice: Traced, environ: Mapping[str, str], tell: Tell) -> "Tracing | None":
    """Return the tracing of the run that this process executes, or None.

    If the environment variables request an unsupported feature, a notice is printed, because the
    variables may be meant for other programs. An unsupported setting is an error.
    """
    if not is_wanted(choice, environ):
        return None
    try:
        return _tracing(environ, tell)
    except UsageError as obstacle:
        if choice is Traced.ON:
            raise
        tell(f"This run is not traced: {obstacle.message} ({obstacle.hint}).")
        return None


def _tracing(environ: Mapping[str, str], tell: Tell) -> "Tracing":
    require_supported(environ)
    try:
        # An optional dependency that is slow to import.
        from attractor.records.tracing.export import Tracing, otlp_exporter
    except ModuleNotFoundError as cause:
        message = f"{cause.name} is not installed"
        raise UsageError(
            message,
            hint=f"turn it off: OTEL_SDK_DISABLED=true; or: {install_command(extra='tracing')}",
        ) from cause
    return Tracing(otlp_exporter(environ), salt=os.urandom(8), version=__version__, tell=tell)
