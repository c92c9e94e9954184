"""Plants the throw-away `.git` of a workspace, so that an agent has a git to work with.

It holds one commit without a past. It is written before the agent comes, and nothing of ours opens
it afterwards: whatever the agent makes of it, it is the agent's alone.
"""

from functools import partial
from pathlib import Path

from attractor.base.files import write_whole
from attractor.workspaces.commits import Author, bring_commit, write_commit
from attractor.workspaces.git import Git
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.store import Store
from attractor.workspaces.trees import FlatTree, write_tree

_BRANCH = "main"
_AGENT = "[user]\n\tname = agent\n\temail = agent@localhost\n[gc]\n\tauto = 0\n"


async def plant_git(folder: Path, store: Store, files: FlatTree, author: Author) -> None:
    """Make a repository in a folder whose one commit holds the files of the folder."""
    tree = (await in_thread(partial(write_tree, store.objects, files))).hex()
    commit = write_commit(
        store.objects, tree=tree, parents=(), author=author, message="The project as it is"
    )
    git_dir = folder / ".git"
    git_dir.mkdir()
    git = Git(git_dir, store.git.search_path, work_tree=folder)
    await git.run(
        "init", "--quiet", "--template=", f"--initial-branch={_BRANCH}",
        f"--object-format={store.object_format}",
    )  # fmt: skip
    await bring_commit(commit, out_of=store.git, into=git)
    with (git_dir / "config").open("a") as config:
        config.write(_AGENT)
    write_whole(git_dir / "refs" / "heads" / _BRANCH, f"{commit}\n")
    await git.run("read-tree", commit)
