"""What bubblewrap is told."""

from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.environments.bubblewrap import Interpreter, Walls, options
from attractor.environments.shown import Shown


def walls(read: list[Path] | None = None, hide: list[Path] | None = None) -> Walls:
    return Walls("bwrap", Interpreter("python3"), {}, tuple(read or ()), tuple(hide or ()))


def place(told: list[str], *words: str) -> int:
    """Return where words follow each other."""
    found = [at for at in range(len(told)) if tuple(told[at : at + len(words)]) == words]
    assert found, f"{words} is not in {told}"
    return found[0]


def test_only_the_workspace_is_bound_to_be_written(workspace: Path) -> None:
    told = options(walls(), workspace, {})
    place(told, "--bind", str(workspace), "/workspace")
    assert told.count("--bind") == 1
    assert "--dev-bind" not in told
    for needed in ("--unshare-net", "--unshare-pid", "--die-with-parent", "--cap-drop"):
        assert needed in told
    assert place(told, "--remount-ro", "/") == len(told) - 4


def test_what_is_hidden_goes_over_what_shows_it_and_what_is_read_over_that(
    tmp_path: Path, workspace: Path
) -> None:
    tools = tmp_path / "tools"
    (tools / "project/venv").mkdir(parents=True)
    told = options(walls([tools / "project/venv", tools], [tools / "project"]), workspace, {})
    shown = place(told, "--ro-bind", str(tools), str(tools))
    covered = place(told, "--tmpfs", str(tools / "project"))
    again = place(told, "--ro-bind", str(tools / "project/venv"), str(tools / "project/venv"))
    assert shown < covered < again
    place(told, "--remount-ro", str(tools / "project"))


def test_a_link_to_a_hidden_folder_is_no_way_in(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "real/secrets").mkdir(parents=True)
    (tmp_path / "tools").symlink_to("real")
    told = options(walls([tmp_path / "tools"], [tmp_path / "real/secrets"]), workspace, {})
    shown = place(told, "--ro-bind", str(tmp_path / "real"), str(tmp_path / "tools"))
    assert shown < place(told, "--tmpfs", str(tmp_path / "tools/secrets"))


def test_what_does_not_show_is_not_named(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "home").mkdir()
    told = options(walls([tmp_path / "no such"], [tmp_path / "home"]), workspace, {})
    assert str(tmp_path / "home") not in told
    assert str(tmp_path / "no such") not in told


def test_a_hidden_folder_in_the_workspace_is_refused(workspace: Path) -> None:
    (workspace / "state").mkdir()
    with pytest.raises(UsageError, match="lies in the workspace"):
        options(walls(hide=[workspace / "state"]), workspace, {})
    options(walls(hide=[workspace, workspace.parent]), workspace, {})


def test_what_is_shown_lies_over_the_workspace_read_only_and_what_is_hidden_over_that(
    tmp_path: Path, workspace: Path
) -> None:
    project = tmp_path / "project"
    (project / "modules/state").mkdir(parents=True)
    hidden = [project / "modules/state", project]
    told = options(walls(hide=hidden), workspace, {}, [Shown(project, "modules")])
    bound = place(told, "--bind", str(workspace), "/workspace")
    shown = place(told, "--ro-bind", str(project / "modules"), "/workspace/modules")
    assert bound < shown < place(told, "--tmpfs", "/workspace/modules/state")
    place(told, "--remount-ro", "/workspace/modules/state")


def test_what_others_in_the_workspace_could_uncover_is_refused(
    tmp_path: Path, workspace: Path
) -> None:
    project = tmp_path / "project"
    (project / "app/modules/state").mkdir(parents=True)
    told = walls(hide=[project / "app/modules/state"])
    with pytest.raises(UsageError, match="cannot be hidden") as refused:
        options(told, workspace, {}, [Shown(project, "app/modules")])
    assert "carry_read_only" in refused.value.hint
