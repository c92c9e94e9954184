"""Containers as places: one for each folder of a run, kept until the run ends or stops."""

from collections.abc import Mapping, Sequence
from functools import partial

from attractor.environments.container import Container, ContainerExecutionEnvironment, Daemon
from attractor.environments.places.registry import PlaceKind, WorkPlace
from attractor.environments.remote import RemoteExecutionEnvironment

_NO_PYTHON = (
    "The image has no python3: nothing is proved about its containers, and programs such as claude "
    "cannot reach their models."
)


def container_kind(program: str) -> PlaceKind:
    """Return the kind of place whose containers a program makes."""
    return PlaceKind(
        partial(_connect, program),
        "in a container for each folder, without a network, and without the files of this machine",
        look=_look,
        files_stay=False,
        needed_by_ports=("python3",),
    )


def _connect(
    program: str, place: WorkPlace, folder: str, environ: Mapping[str, str], mark: str
) -> ContainerExecutionEnvironment:
    container = place.shared.get(mark)
    if not isinstance(container, Container):
        daemon = Daemon(program, environ=environ)
        container = Container(daemon, place.image, run_id=folder, bounds=place.bounds)
    if not mark:
        return ContainerExecutionEnvironment(container)
    place.shared[mark] = container
    return ContainerExecutionEnvironment(container, is_attacked=False, is_kept=True, mark=mark)


async def _look(environment: RemoteExecutionEnvironment) -> Sequence[str]:
    """Return sentences about what an image and its daemon lack."""
    assert isinstance(environment, ContainerExecutionEnvironment)
    has_python = await environment.call("examine", "python3")
    no_python = "" if has_python.splitlines()[2:] != [b""] else _NO_PYTHON
    return [*filter(None, (await environment.daemon.unbounded(), no_python))]
