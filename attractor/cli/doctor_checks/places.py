"""Docker or Podman, and the images of the places whose stages work in containers."""

from collections.abc import Sequence

from attractor.base.errors import AttractorError
from attractor.cli.doctor import Finding, Machine, missing, ok
from attractor.config.settings import PlaceSettings
from attractor.environments.container import Daemon

_CGROUPS = "use cgroup v2, or run as root; the other limits hold"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report whether containers of each place can be made and limited."""
    places = machine.configuration.settings.places
    return [await _look(name, one, machine) for name, one in places.items() if one.image]


async def _look(name: str, place: PlaceSettings, machine: Machine) -> Finding:
    daemon, subject = Daemon(place.kind, environ=machine.environ), f"place {name}"
    try:
        unbounded = await daemon.unbounded()
        await daemon.require_image(place.image)
    except AttractorError as fault:
        return missing(subject, fault.message, remedy=fault.hint)
    if unbounded:
        return missing(subject, unbounded, remedy=_CGROUPS)
    return ok(subject, f"{place.kind} has the image {place.image}")


part = examine
