"""Services that stand side by side."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from attractor.twins.services.errors import ServiceError
from attractor.twins.services.loading import find_services, load_service
from attractor.twins.services.service import Service


def load_services(paths: Sequence[Path], *, is_recording: bool = False) -> Sequence[Service]:
    """Read the services that paths mean: files, services' folders, or folders of such folders."""
    found = [one for path in paths for one in find_services(path)]
    services = [load_service(one, is_recording=is_recording) for one in found]
    _refuse_doubled("service", [one.name for one in services])
    _refuse_doubled("variable", [name for one in services for name in one.written.environ])
    return services


def _refuse_doubled(kind: str, names: Sequence[str]) -> None:
    """Refuse what one service would take from another."""
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        told = f"the {kind} {doubled!r} is declared twice"
        raise ServiceError(told, hint="give each a name of its own")
