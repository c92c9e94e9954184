"""The names of files in a project, and the project root of a folder or file."""

import os.path
from pathlib import Path

PROJECT_FILE = "attractor.toml"
ID_FILE = ".project"
"""The file with the id of the project, in its runs folder."""
AGENTS = "agents"
"""The folder of the project's agents: a folder for each agent, and `PROFILES`."""
PROFILES = "_profiles"
"""The folder of the base prompts of provider profiles, in a folder of agents."""
PROMPT_SUFFIX = ".md.j2"
AGENT_FILE, PROMPT_FILE = "agent.toml", f"prompt{PROMPT_SUFFIX}"
"""The files of an agent."""


def find_project_root(start: Path) -> Path:
    """Return the project root of an absolute path.

    The root is the nearest parent folder with an `attractor.toml`, otherwise with a `.git` (a
    folder, or the file of a worktree), otherwise the folder itself. Symbolic links are resolved
    first.
    """
    # Unlike their pathlib counterparts, these two never raise on missing permissions.
    is_folder = os.path.isdir(start)  # noqa: PTH112
    folder = Path(os.path.realpath(start if is_folder else start.parent))
    return _nearest_with(PROJECT_FILE, folder) or _nearest_with(".git", folder) or folder


def find_repository(folder: Path) -> Path | None:
    """Return the nearest folder with a `.git`, which is that of a Git repository; or None."""
    return _nearest_with(".git", folder)


def in_main_checkout(path: Path, root: Path) -> Path:
    """Return the same path in the main checkout of a repository, if it is in a linked worktree.

    `root` is the project root of the worktree. A bare repository has no main checkout.
    """
    top = _nearest_with(".git", root)
    if top is None or not path.is_relative_to(top):
        return path
    try:
        git_dir = _linked_git_dir(top)
        shared = (git_dir / (git_dir / "commondir").read_text().strip()).resolve()
    except (OSError, UnicodeError):  # a main checkout or a submodule
        return path
    return shared.parent / path.relative_to(top) if shared.name == ".git" else path


def project_file(root: Path) -> Path:
    """Return the settings file of a project.

    In a worktree of a dimension, agents write the files: there, it is that of the main checkout.
    """
    file, top = root / PROJECT_FILE, _nearest_with(".git", root)
    try:
        head = (_linked_git_dir(top) / "HEAD").read_text() if top else ""
    except (OSError, UnicodeError):  # a main checkout
        return file
    return in_main_checkout(file, root) if head.startswith(_OF_A_DIMENSION) else file


_OF_A_DIMENSION = "ref: refs/heads/attractor/"


def _linked_git_dir(top: Path) -> Path:
    return top / (top / ".git").read_text().removeprefix("gitdir:").strip()


def _nearest_with(name: str, folder: Path) -> Path | None:
    # A broken link counts, so that reading it reports the error.
    candidates = (folder, *folder.parents)
    return next((candidate for candidate in candidates if os.path.lexists(candidate / name)), None)
