"""The paths that no candidate may change."""

import json
from collections.abc import Sequence

from attractor.base.toml import printable
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.truncation import shorten
from attractor.workspaces.git.gitignore import IgnoreRules, below_prefix, escape_pattern
from attractor.workspaces.result_tree import (
    attributes_with_programs,
    is_modules,
    refused_attributes,
    visible_name,
)
from attractor.workspaces.tracked_folder import TrackedFolder

_OF_PROJECT = ("/scenarios", "/runs", "/agents", "/attractor.toml")

# Hidden files start programs or direct agents, known and new ones.
_HIDDEN = ".*"
_HARMLESS = (
    *(".gitignore", ".gitkeep", ".keep", ".gitattributes", ".mailmap", ".editorconfig"),
    *(".dockerignore", ".npmignore", ".prettierignore", ".eslintignore", ".nojekyll"),
    *(".env.example", ".env.sample", ".env.template"),
    *(".python-version", ".node-version", ".nvmrc", ".ruby-version", ".java-version"),
    *(".coveragerc", ".flake8", ".clang-format", ".rustfmt.toml", ".yamllint"),
    *(".markdownlint.json", ".markdownlint.yaml", ".well-known/"),
)
_HARMLESS_IN = {
    ".changeset": ("*.md",),
    ".github": ("ISSUE_TEMPLATE/", "PULL_REQUEST_TEMPLATE.md", "FUNDING.yml"),
}
_BY_NAME = (
    # CI configurations, which run when a branch is pushed.
    *("/appveyor.y*ml", "/azure-pipelines.y*ml", "/bitbucket-pipelines.y*ml", "/Jenkinsfile"),
    # Start by themselves on the machine of a reader: hooks, tasks, environments.
    *("lefthook*.y*ml", "lefthook*.toml", "lefthook*.json", "mise.toml", "mise.*.toml"),
    *("**/mise/config*.toml", "*.code-workspace"),
    # Direct agents, or decide who reviews.
    *("AGENT.md", "AGENTS.md", "AGENTS.override.md", "CLAUDE.md", "CLAUDE.local.md", "CRUSH.md"),
    *("CONVENTIONS.md", "GEMINI.md", "QWEN.md", "WARP.md", "replit.md"),
    *("copilot-instructions.md", "opencode.json*", "CODEOWNERS"),
)

PROTECTED = (
    *_OF_PROJECT,
    _HIDDEN,
    *(f"!{name}" for name in _HARMLESS),
    *(
        line
        for folder, names in _HARMLESS_IN.items()
        for line in (f"!{folder}/", f"**/{folder}/*", *(f"!**/{folder}/{name}" for name in names))
    ),
    *_BY_NAME,
)
"""Patterns (as in `.gitignore`, ignoring case) of paths that no candidate may change.

`_OF_PROJECT` also apply in the project's folder, if this is a subfolder of the repository.
"""

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
    programs: Sequence[str] = ()
    if isinstance(workspace, TrackedFolder):
        offending = await refused_attributes(workspace.store, base, tree)
        programs = await attributes_with_programs(workspace.store, base, tree)
    return protected_paths(
        await workspace.changed(base, tree),
        prefix=prefix,
        offending=offending,
        programs=programs,
        more=more,
        allowed=allowed,
    )


def protected_paths(
    changed: Sequence[str],
    *,
    prefix: str = "",
    offending: Sequence[str] = (),
    programs: Sequence[str] = (),
    more: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the changed paths that are protected: at most 50 paths, each shortened.

    `offending` are paths that git refuses, `programs` attribute files that may run programs. Paths
    that match the patterns `more` are also protected; paths that match `allowed` are not protected,
    except for `.gitmodules` and `offending`.
    """
    rules = _rules([*PROTECTED, *below_prefix(prefix, _OF_PROJECT), *more])
    exceptions = _rules(allowed)
    # Not negated patterns: these would not apply to a file in a protected folder.
    listed = {path for path in changed if rules.ignores_file(_name(path))} | {*programs}
    found = {path for path in listed if not exceptions.ignores_file(_name(path))} | {*offending}
    found |= {path for path in changed if _has_modules(path)}
    shown = {shorten(printable(_without_scenario(path)), LONGEST) for path in found}
    return tuple(sorted(shown)[:MOST])


def _rules(lines: Sequence[str]) -> IgnoreRules:
    # Some file systems ignore case.
    return IgnoreRules({}, [line.casefold() for line in lines])


def _name(path: str) -> bytes:
    # Some file systems ignore case and invisible characters.
    visible = visible_name(path.encode("utf-8", "surrogateescape"))
    return visible.casefold().encode("utf-8", "surrogateescape")


def _has_modules(path: str) -> bool:
    return any(map(is_modules, path.encode("utf-8", "surrogateescape").split(b"/")))


def _without_scenario(path: str) -> str:
    # The rest of the path may be the name of a holdout, if agents work in place.
    folder, slash, _ = path.partition("/")
    return folder + slash if folder.casefold() == "scenarios" else path


def allowing_line(paths: Sequence[str], allowed: Sequence[str]) -> str:
    """Return the line of a profile that also allows protected paths, as they are recorded.

    Return "" if one of the paths cannot be allowed, or if paths may be missing or incomplete.
    """
    if not 0 < len(paths) < MOST or not all(map(_can_be_allowed, paths)):
        return ""
    patterns = dict.fromkeys([*allowed, *(f"/{escape_pattern(path)}" for path in paths)])
    # In a TOML file, a string of JSON is the same string.
    return f"unprotected_paths = {json.dumps([*patterns], ensure_ascii=False)}"


def _can_be_allowed(path: str) -> bool:
    return len(path) < LONGEST and "\\" not in path and not _has_modules(path)


def describe_protected_paths(more: Sequence[str], allowed: Sequence[str]) -> str:
    """Return the rule for an agent; `more` and `allowed` are patterns of the profile."""
    harmless = [
        *_HARMLESS,
        *(f"{one}/{name}" for one, all_ in _HARMLESS_IN.items() for name in all_),
    ]
    lines = [
        "Protected paths: a result that adds, changes or removes one of these is refused, even if "
        "the task asks for it.",
        f"- Each path with a component that begins with a dot, except {', '.join(harmless)}.",
        f"- {', '.join([*_OF_PROJECT, *_BY_NAME, *more])}.",
        "- In .gitattributes, lines with other attributes than text, eol, binary, diff=LANGUAGE, "
        "merge=union, linguist-*, export-ignore and working-tree-encoding.",
        *([f"The profile allows {', '.join(allowed)}."] if allowed else []),
        "If the task needs such a change, leave the path alone and say so in your report.",
    ]
    return "\n".join(lines)
