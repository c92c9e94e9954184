"""Says which changes of a candidate touch what judges, steers or builds the project.

Agents may change the product. What else a project has, its owner changes: the scenarios and records
it is judged by, the agents and settings of its factory, what its machines run by themselves, and
what git itself takes orders from.
"""

from collections.abc import Sequence

from attractor.base.toml import printable
from attractor.engine.interfaces import TreeId, Workspace
from attractor.engine.stage_report import shorten
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import is_modules
from attractor.workspaces.snapshot import offending_attributes

PROTECTED = (
    "/scenarios",
    "/runs",
    "/agents",
    "/attractor.toml",
    # What machines run by themselves when a branch is pushed.
    "/.github/workflows",
    "/.github/actions",
    "/.gitea/workflows",
    "/.forgejo/workflows",
    "/.gitlab-ci.y*ml",
    "/.gitlab/ci",
    "/.ci",
    "/.circleci",
    "/.buildkite",
    "/.woodpecker*",
    "/.travis.y*ml",
    "/.drone.y*ml",
    "/.cirrus.y*ml",
    "/.appveyor.y*ml",
    "/appveyor.y*ml",
    "/azure-pipelines.y*ml",
    "/bitbucket-pipelines.y*ml",
    "/Jenkinsfile",
)
"""The paths that no candidate may change, in the words of a `.gitignore`; case does not count."""

MOST = 50
LONGEST = 200


async def protected_changes(
    workspace: Workspace, tree: TreeId, *, more: Sequence[str] = (), allowed: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return what is protected of that in which a tree differs from what its run began with."""
    base = workspace.base.candidate
    offending: Sequence[str] = ()
    if isinstance(workspace, Dimension):
        offending = await offending_attributes(workspace.store, base, tree)
    changed = await workspace.changed(base, tree)
    return protected_paths(changed, offending=offending, more=more, allowed=allowed)


def protected_paths(
    changed: Sequence[str],
    *,
    offending: Sequence[str] = (),
    more: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the changed paths that are protected, as they can be shown; of very many the first.

    `offending` are those that git itself would refuse. More paths can be protected, and some of
    them allowed by name, but never one that tells git where to fetch submodules from.
    """
    lines = [*PROTECTED, *more, *(f"!{one}" for one in allowed)]
    rules = IgnoreRules({}, [line.casefold() for line in lines])
    found = {path for path in changed if _is_protected(path, rules)} | set(offending)
    shown = {shorten(printable(_without_scenario(path)), LONGEST) for path in found}
    return tuple(sorted(shown)[:MOST])


def _without_scenario(path: str) -> str:
    # Where agents work in place, the rest would be the name of a holdout.
    folder, slash, _ = path.partition("/")
    return folder + slash if folder.casefold() == "scenarios" else path


def _is_protected(path: str, rules: IgnoreRules) -> bool:
    # On some systems another case is the same file.
    name = path.casefold().encode("utf-8", "surrogateescape")
    return rules.hides(name) or any(map(is_modules, name.split(b"/")))
