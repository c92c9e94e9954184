"""Names of runs, resources and models that the shell completes."""

import os
from collections.abc import Callable, Iterable
from heapq import nlargest

import click
from click.shell_completion import CompletionItem

from attractor.base.ids import is_run_id
from attractor.cli.invocation import Invocation
from attractor.pipeline.source.gallery import GALLERY

MOST_RUNS = 50
"""The maximum number of completed run ids, newest first."""

LATEST = "latest"

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _completing(list_names: Callable[[Invocation, str], Iterable[str]]) -> Complete:
    """Return a completion function for click that offers nothing in case of an error."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        try:
            return list(list_names(ctx.ensure_object(Invocation), incomplete))
        except Exception:  # noqa: BLE001 - an error message would appear inside the typed line
            return []

    return complete


def _runs(invocation: Invocation, incomplete: str) -> Iterable[str]:
    folders = invocation.configuration.settings.runs_dir.iterdir()
    ids = [folder.name for folder in folders if is_run_id(folder.name)]
    # Run ids sort by time.
    found = nlargest(MOST_RUNS, (id_ for id_ in ids if id_.startswith(incomplete.upper())))
    return [*found, LATEST] if ids and LATEST.startswith(incomplete) else found


def _workspaces(invocation: Invocation, incomplete: str) -> Iterable[str]:
    # Slow to import, and not needed by other completions.
    from attractor.factory.dimensions import DimensionRecords
    from attractor.factory.open_project import open_project
    from attractor.workspaces.create.registry import workspace_registry

    kinds = workspace_registry()
    names = [name for name in kinds if not kinds[name].needs_folder]
    opened = open_project(invocation.folder, invocation.environ)
    names += [dimension.name for dimension in DimensionRecords.of(opened).all()]
    return [name for name in names if name.startswith(incomplete)]


def _resources(kind: str) -> Callable[[Invocation, str], Iterable[str]]:
    def names(invocation: Invocation, incomplete: str) -> Iterable[str]:
        # Slow to import, and not needed by other completions.
        from attractor.factory.ledger.ledger import Ledger
        from attractor.factory.project import ProjectIdentity
        from attractor.factory.resources.versions import ResourceKind, VersionStore

        settings = invocation.configuration.settings
        state = settings.state_dir
        root, path = invocation.configuration.root, invocation.environ.get("PATH", "")
        lock = state / "project.lock"
        project = ProjectIdentity(
            settings.runs_dir, lock, os.urandom, folder=root, search_path=path
        )
        store = VersionStore(ResourceKind(kind), state, project, Ledger(state))
        return [name for name in store.names() if name.startswith(incomplete)]

    return names


def _models(invocation: Invocation, incomplete: str) -> Iterable[str]:
    # Slow to import, and not needed by other completions.
    from attractor.llm.catalogue import shipped_catalogue
    from attractor.llm.client import provider_registry

    providers = set(provider_registry())
    known = [one for one in shipped_catalogue().newest_first() if one.provider in providers]
    names = (name for one in known for name in (one.id, *one.aliases))
    return dict.fromkeys(name for name in names if name.startswith(incomplete))


def complete_files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete file names."""
    return [CompletionItem(incomplete, type="file")]


def complete_files_and_runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete file names, and offer run ids."""
    runs = map(CompletionItem, complete_runs(ctx, param, incomplete))
    return [*complete_files(ctx, param, incomplete), *runs]


complete_gallery = _completing(
    lambda invocation, incomplete: [name for name in GALLERY if name.startswith(incomplete)]
)
complete_runs = _completing(_runs)
complete_workspaces = _completing(_workspaces)
complete_suites = _completing(_resources("suite"))
complete_profiles = _completing(_resources("profile"))
complete_pipelines = _completing(_resources("pipeline"))
complete_models = _completing(_models)
