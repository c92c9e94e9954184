"""Drafts of service twins for adapters that a specification declares."""

from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.growth.apps.routes import service_operations
from attractor.growth.apps.twin_draft import twin_text
from attractor.growth.control_plane import ControlPlane
from attractor.growth.first_app.files import TWINS
from attractor.growth.specification.files import read_spec, write_file
from attractor.growth.tools import adapters


def draft_twin(control_plane: ControlPlane, name: str, plan: str = "") -> dict[str, Json]:
    """Write the draft of a twin of a declared adapter, of the app or of a plan.

    `suite` is the table that a suite needs for its trials.
    """
    plans = control_plane.plans
    graph = plans.load(plan).result if plan else read_spec(control_plane.repository)
    source = graph.find(name, "source").id
    operations = service_operations(graph, source)
    if not operations or source in adapters():
        fault = f"{source} declares no operations"
        raise UsageError(fault, hint="name a source with operations, or its plan with --plan")
    file = TWINS / source / "twin.toml"
    path = control_plane.repository / file
    if path.exists() or path.is_symlink():
        raise UsageError(f"{file} exists", hint="change it, or remove it to draft it again")
    write_file(path, twin_text(source, operations).encode())
    return {"file": str(file), "suite": f'[[twins]]\nname = "{source}"'}
