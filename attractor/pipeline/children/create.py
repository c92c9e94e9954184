"""Creates the run directory of a child."""

from attractor.base.files import sync_folder
from attractor.base.ids import new_run_id
from attractor.engine.errors import NotRunnable
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    create_run_directory,
)
from attractor.engine.seams import Base
from attractor.language.diagnostics import error
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.secrets import find_secrets_in_pipeline
from attractor.pipeline.request import RunRequest
from attractor.pipeline.runs.child_folders import clear_half_made
from attractor.pipeline.source.read import PipelineSource, open_pipeline, project_of


def make_child_directory(
    directory: RunDirectory, parent: Manifest, request: RunRequest, host: RunHost, *, base: Base
) -> None:
    """Read the pipeline of a child from its file, and make the directory of its run."""
    pipeline = open_pipeline(str(request.file), inputs=request.inputs, project=project_of(host))
    _require_no_secrets(pipeline, host)
    now = host.clock.now()
    manifest = Manifest(
        run_id=new_run_id(now, host.randomness),
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=now,
        content_hash=pipeline.content_hash,
        base=base,
        parent=parent.run_id,
        options=request.redacted_record(host.redactor),
        versions={"attractor": host.version},
        promises=parent.promises,
    )
    clear_half_made(directory.root)
    create_run_directory(
        directory.root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        redactor=host.redactor,
    )
    # The folder of the children may be new as well.
    sync_folder(directory.root.parent.parent)


def _require_no_secrets(pipeline: PipelineSource, host: RunHost) -> None:
    """Refuse what was written since the run began: a secret in it, or one that it would show."""
    faults = [*find_secrets_in_pipeline(pipeline, host.redactor, host.environ)]
    for name, value in pipeline.shown.items():
        if value in host.secrets:
            told = f"the input {name} is given a secret, and is not declared as one"
            faults.append(error(told, pipeline.graph.span, fix=f"declare {name}:secret"))
    if faults:
        raise NotRunnable(pipeline.graph.name, faults)
