"""The paths that no candidate may change."""

from collections.abc import Sequence

from attractor.base.toml import printable
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.truncation import shorten
from attractor.workspaces.git.gitignore import IgnoreRules, below_prefix
from attractor.workspaces.result_tree import is_modules, refused_attributes
from attractor.workspaces.tracked_folder import TrackedFolder

_OF_PROJECT = ("/scenarios", "/runs", "/agents", "/attractor.toml")

PROTECTED = (
    *_OF_PROJECT,
    # CI configurations, which run when a branch is pushed.
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
    # Start by themselves on the machine of a reader: hooks, tasks, environments, registries.
    "**/.vscode/tasks.json",
    "**/.vscode/settings.json",
    "**/.vscode/launch.json",
    ".husky",
    ".pre-commit-config.y*ml",
    "lefthook.y*ml",
    ".lefthook.y*ml",
    ".envrc",
    ".devcontainer",
    ".devcontainer.json",
    ".npmrc",
    ".yarnrc*",
    ".pnpmfile.cjs",
    # Direct agents, or decide who reviews.
    ".claude",
    ".mcp.json",
    ".cursor",
    ".cursorrules",
    ".windsurfrules",
    ".clinerules",
    ".codex",
    ".gemini",
    ".opencode",
    "opencode.json*",
    ".agents",
    "AGENTS.md",
    "AGENTS.override.md",
    "CLAUDE.md",
    "CLAUDE.local.md",
    "GEMINI.md",
    "copilot-instructions.md",
    "**/.github/instructions",
    "**/.vscode/mcp.json",
    "CODEOWNERS",
)
"""Patterns (as in `.gitignore`, ignoring case) of paths that no candidate may change.

The first four also apply in the project's folder, if this is a subfolder of the repository.
"""

# Folders with protected files: as a changed path, the name is a link to other files.
_FOLDERS = frozenset({b".github", b".vscode"})

MOST = 50
LONGEST = 200


async def protected_changes(
    workspace: Workspace,
    tree: TreeId,
    *,
    prefix: str,
    more: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the protected paths that changed since the start of the run.

    `prefix` is the path of the project in the tree; "" at the top.
    """
    base = workspace.base.candidate
    offending: Sequence[str] = ()
    if isinstance(workspace, TrackedFolder):
        offending = await refused_attributes(workspace.store, base, tree)
    changed = await workspace.changed(base, tree)
    return protected_paths(changed, prefix=prefix, offending=offending, more=more, allowed=allowed)


def protected_paths(
    changed: Sequence[str],
    *,
    prefix: str = "",
    offending: Sequence[str] = (),
    more: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the changed paths that are protected: at most 50 paths, each shortened.

    `offending` are paths that git refuses. Paths that match the patterns `more` are also protected;
    paths that match `allowed` are not protected, except for `.gitmodules`.
    """
    lines = [*PROTECTED, *below_prefix(prefix, _OF_PROJECT), *more]
    rules = IgnoreRules({}, [line.casefold() for line in lines])
    exceptions = IgnoreRules({}, [line.casefold() for line in allowed])
    found = {path for path in changed if _is_protected(path, rules, exceptions)} | set(offending)
    shown = {shorten(printable(_without_scenario(path)), LONGEST) for path in found}
    return tuple(sorted(shown)[:MOST])


def _without_scenario(path: str) -> str:
    # The rest of the path may be the name of a holdout, if agents work in place.
    folder, slash, _ = path.partition("/")
    return folder + slash if folder.casefold() == "scenarios" else path


def _is_protected(path: str, rules: IgnoreRules, exceptions: IgnoreRules) -> bool:
    # Some file systems ignore case.
    name = path.casefold().encode("utf-8", "surrogateescape")
    # Not negated patterns: these would not apply to a file in a protected folder.
    is_listed = rules.ignores_file(name) or name.rpartition(b"/")[2] in _FOLDERS
    is_listed = is_listed and not exceptions.ignores_file(name)
    return is_listed or any(map(is_modules, name.split(b"/")))
