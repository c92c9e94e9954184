"""Show a profile and its effective policy."""

from collections.abc import Sequence
from pathlib import Path

import click

from attractor.base.errors import ExitCode, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.resources import version_line
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_profiles
from attractor.engine.errors import NoRun
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.operations.start import with_registered
from attractor.factory.registration.register_suite import drawn_pipelines
from attractor.factory.resources.effective import effective_record
from attractor.factory.resources.effective_values import EffectiveValue, effective_values
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import context_of, open_pipeline, read_saved_pipeline
from attractor.records.lookup import LATEST, find_run
from attractor.records.request import read_request


@click.command("show")
@click.argument(
    "reference", metavar="NAME[@REVISION]", default="", shell_complete=complete_profiles
)
@click.option(
    "--effective",
    metavar="PIPELINE|RUN",
    help="Show the values of a pipeline with this profile (default: the profile of the settings), "
    "or of a run with its own, each with its origin: profile, graph, node, run or default.",
)
@json_option
@click.pass_obj
def show_profile(
    invocation: Invocation, reference: str, effective: str | None, as_json: bool
) -> ExitCode:
    """Show a profile and its effective policy, with all defaults."""
    if effective:
        return _show_effective(invocation, reference, effective, as_json=as_json)
    if not reference:
        raise UsageError("missing NAME of a profile", hint="see: attractor profile list")
    store = opened_of(invocation).profiles
    version = store.versions.find(reference)
    profile = store.read(version)
    record = effective_record(profile)
    lines = [f"  {key} = {value}" for key, value in _leaves("", record)]
    return show_result(
        {**version.to_record(), "effective": record}, version_line(version), *lines, as_json=as_json
    )


def _show_effective(
    invocation: Invocation, reference: str, target: str, *, as_json: bool
) -> ExitCode:
    """Show the merged values of a pipeline or a run."""
    pinned, values = _effective_values(invocation, reference, target)
    profile = pinned.partition("#")[0] or "strict"
    rows = [(value.node or "-", value.key, value.value, value.origin) for value in values]
    record = {"profile": profile, "values": [write_fields(value) for value in values]}
    lines = [f"{target} with the profile {profile}", *table(rows)]
    return show_result(record, *lines, as_json=as_json)


def _effective_values(
    invocation: Invocation, reference: str, target: str
) -> tuple[str, list[EffectiveValue]]:
    """Return the pinned profile, and the merged values of a pipeline or a run."""
    opened = opened_of(invocation)
    project = opened.project
    file, versions = Path(target), opened.pipelines.versions
    is_registered = versions.is_numbered(target) or versions.knows(target)
    drawn = {} if file.is_file() or is_registered else drawn_pipelines(project)
    if target in drawn:
        file = _only(drawn[target], target)
    if file.is_file() or is_registered:
        pinned = opened.pin_profile(reference or project.profile)
        if not file.is_file():
            file, opened = with_registered(versions.find(target), opened)
        graph = open_pipeline(str(file), project=context_of(RunScope.of(opened.project))).graph
        return pinned, [*effective_values(graph, opened.profile(pinned))]
    try:
        directory = RunDirectory(find_run(target, project.runs_dir))
    except (NoRun, UnknownName) as error:
        raise UnknownName("pipeline or run", target, [*versions.names(), *drawn, LATEST]) from error
    manifest = read_manifest(directory)
    if reference:
        raise UsageError(
            f"run {manifest.run_id} has its own profile",
            hint=f"leave {reference} out, or name a pipeline",
        )
    request = read_request(manifest)
    graph = read_saved_pipeline(
        directory,
        manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=project.parts,
    ).graph
    values = effective_values(
        graph,
        opened.profile(manifest.profile),
        model=request.model,
        provider=request.provider,
        budgets=request.budgets,
    )
    return manifest.profile, [*values]


def _only(files: Sequence[Path], name: str) -> Path:
    """Return the file that draws a pipeline; refuse a name that several files draw."""
    if len(files) > 1:
        raise UsageError(
            f"{len(files)} files draw a pipeline named {name}",
            hint=f"name one of: {', '.join(map(str, files))}",
        )
    return files[0]


def _leaves(path: str, value: Json) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        inner = [(f"{path}.{key}" if path else key, member) for key, member in value.items()]
        return [leaf for key, member in inner for leaf in _leaves(key, member)]
    if isinstance(value, list):
        return [(path, ", ".join(map(str, value)) or "none")]
    return [(path, "none" if value in (None, "", {}) else str(value))]


part = show_profile
