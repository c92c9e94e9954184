"""Another machine, which `ssh HOST` reaches without a question."""

from collections.abc import Mapping

from attractor.environments.places.registry import PlaceKind, WorkPlace
from attractor.environments.ssh import SshExecutionEnvironment


def _connect(
    place: WorkPlace, folder: str, environ: Mapping[str, str], mark: str
) -> SshExecutionEnvironment:
    return SshExecutionEnvironment(
        place.host, folder, environ=environ, options=place.options, top=place.root, mark=mark
    )


part = PlaceKind(
    _connect, "with the rights of your user there: it can read and change what this user can"
)
