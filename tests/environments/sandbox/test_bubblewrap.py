"""Options for bubblewrap, and mounts in a workspace."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.environments.environment import DirEntry, ExecutionEnvironment, GrepOptions
from attractor.environments.errors import FileUnusable, PathOutside, SandboxNotStarted
from attractor.environments.sandbox.bubblewrap import (
    BindMount,
    Interpreter,
    SandboxSettings,
    make_mount_points,
    options,
)
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.environments.places import FAR_MS, make_walls, run, use
from tests.workspaces.projects import everything, write


def settings(read: list[Path] | None = None, hide: list[Path] | None = None) -> SandboxSettings:
    return SandboxSettings(
        "bwrap", Interpreter("python3"), {}, tuple(read or ()), tuple(hide or ())
    )


def place(messages: list[str], *words: str) -> int:
    """Return the position of consecutive words."""
    found = [at for at in range(len(messages)) if tuple(messages[at : at + len(words)]) == words]
    assert found, f"{words} is not in {messages}"
    return found[0]


def test_only_the_workspace_is_bound_writable(workspace: Path) -> None:
    found = options(settings(), workspace, {})
    place(found, "--bind", str(workspace), "/workspace")
    assert found.count("--bind") == 1
    assert "--dev-bind" not in found
    for needed in ("--unshare-net", "--unshare-pid", "--die-with-parent", "--cap-drop"):
        assert needed in found
    assert place(found, "--remount-ro", "/") == len(found) - 4


def test_network_is_opened_on_request_only(workspace: Path) -> None:
    opened = options(replace(settings(), opens_network=True), workspace, {})
    assert "--unshare-net" not in opened
    assert {"--unshare-pid", "--unshare-ipc"} <= set(opened)


def test_hidden_and_readable_folders_nest(tmp_path: Path, workspace: Path) -> None:
    tools = tmp_path / "tools"
    (tools / "project/venv").mkdir(parents=True)
    found = options(settings([tools / "project/venv", tools], [tools / "project"]), workspace, {})
    mounts = place(found, "--ro-bind", str(tools), str(tools))
    covered = place(found, "--tmpfs", str(tools / "project"))
    again = place(found, "--ro-bind", str(tools / "project/venv"), str(tools / "project/venv"))
    assert mounts < covered < again
    place(found, "--remount-ro", str(tools / "project"))


def test_link_to_a_hidden_folder_is_covered(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "real/secrets").mkdir(parents=True)
    (tmp_path / "tools").symlink_to("real")
    file = options(settings([tmp_path / "tools"], [tmp_path / "real/secrets"]), workspace, {})
    mounts = place(file, "--ro-bind", str(tmp_path / "real"), str(tmp_path / "tools"))
    assert mounts < place(file, "--tmpfs", str(tmp_path / "tools/secrets"))


def test_invisible_hidden_folders_are_not_named(tmp_path: Path, workspace: Path) -> None:
    (tmp_path / "home").mkdir()
    file = options(settings([tmp_path / "no such"], [tmp_path / "home"]), workspace, {})
    assert str(tmp_path / "home") not in file
    assert str(tmp_path / "no such") not in file


def test_a_hidden_folder_in_the_workspace_is_refused(workspace: Path) -> None:
    (workspace / "state").mkdir()
    with pytest.raises(UsageError, match="is in the workspace"):
        options(settings(hide=[workspace / "state"]), workspace, {})
    options(settings(hide=[workspace, workspace.parent]), workspace, {})


def test_hidden_folders_cover_read_only_mounts(tmp_path: Path, workspace: Path) -> None:
    project = tmp_path / "project"
    (project / "modules/state").mkdir(parents=True)
    hidden = [project / "modules/state", project]
    found = options(settings(hide=hidden), workspace, {}, [BindMount(project, "modules")])
    bound = place(found, "--bind", str(workspace), "/workspace")
    mounts = place(found, "--ro-bind", str(project / "modules"), "/workspace/modules")
    assert bound < mounts < place(found, "--tmpfs", "/workspace/modules/state")
    place(found, "--remount-ro", "/workspace/modules/state")


def test_hidden_folder_inside_a_mount_is_rejected(tmp_path: Path, workspace: Path) -> None:
    project = tmp_path / "project"
    (project / "app/modules/state").mkdir(parents=True)
    found = settings(hide=[project / "app/modules/state"])
    with pytest.raises(UsageError, match="cannot be hidden") as refused:
        options(found, workspace, {}, [BindMount(project, "app/modules")])
    assert "carry_read_only" in refused.value.hint


MODULES = "node_modules"
DEEP = "packages/app/deps"
FILE = ".env.local"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of a user with files that git ignores."""
    folder = tmp_path / "project"
    write(
        folder,
        {
            f"{MODULES}/one/index.js": "needle\n",
            f"{DEEP}/two.js": "needle\n",
            FILE: "needle=1\n",
            "secret": "needle of the project\n",
        },
    )
    (folder / MODULES / "inner").symlink_to("one")
    (folder / MODULES / "beside").symlink_to("../packages")
    (folder / MODULES / "out").symlink_to(folder / "secret")
    (folder / MODULES / "up").symlink_to("../../project/secret")
    return folder


def mounts(project: Path, *paths: str) -> list[BindMount]:
    return [BindMount(project, path) for path in paths or (MODULES, DEEP, FILE)]


def sandboxed(
    workspace: Path, what: Sequence[BindMount], hide: Sequence[Path] = ()
) -> SandboxedExecutionEnvironment:
    return SandboxedExecutionEnvironment(workspace, make_walls(hide=hide), mounts=what)


@pytest.fixture
def environment(
    workspace: Path, project: Path, sandbox_allowed: None
) -> SandboxedExecutionEnvironment:
    return sandboxed(workspace, mounts(project), [project])


def test_file_tools_see_the_same_files_as_commands(
    environment: SandboxedExecutionEnvironment, workspace: Path, project: Path
) -> None:
    async def work(env: ExecutionEnvironment) -> None:
        result = await env.exec_command(
            f"cat {MODULES}/one/index.js {DEEP}/two.js {FILE}", timeout_ms=FAR_MS
        )
        assert result.stdout == "needle\nneedle\nneedle=1\n"
        for path in (f"{MODULES}/one/index.js", f"{MODULES}/inner/index.js", f"{DEEP}/two.js"):
            assert await env.read_file(path) == "needle\n"
        assert await env.read_file(f"/workspace/{FILE}") == "needle=1\n"
        listed = await env.list_directory(MODULES, depth=2)
        assert DirEntry("one", True, None) in listed
        assert DirEntry("one/index.js", False, 7) in listed
        top = await env.list_directory(".", depth=3)
        assert DirEntry(f"{MODULES}/one/index.js", False, 7) in top
        assert DirEntry(FILE, False, 9) in top
        assert {*await env.glob("**/*.js")} == {f"{MODULES}/one/index.js", f"{DEEP}/two.js"}
        assert await env.glob("*.js", f"{MODULES}/one") == [f"{MODULES}/one/index.js"]
        assert await env.grep("needle", ".", GrepOptions(glob="*.js")) == (
            f"{MODULES}/one/index.js:1:needle\n{DEEP}/two.js:1:needle\n"
        )
        assert f"{MODULES}/one" in await env.grep("needle", MODULES, GrepOptions())
        assert await env.file_exists(f"{MODULES}/inner/index.js")
        assert not await env.file_exists(f"{MODULES}/three")

    use(environment, work)
    # Nothing was copied: the workspace has only empty folders and an empty file.
    assert list((workspace / MODULES).iterdir()) == []
    assert list((workspace / DEEP).iterdir()) == []
    assert (workspace / FILE).read_bytes() == b""


def test_links_stay_in_a_mount(environment: SandboxedExecutionEnvironment, workspace: Path) -> None:
    async def work(env: ExecutionEnvironment) -> None:
        # The link leads to the workspace's own folder, so the write changes the workspace.
        await env.write_file(f"{MODULES}/beside/new", "ours")
        assert (workspace / "packages/new").read_text() == "ours"
        assert await env.read_file(f"{MODULES}/beside/app/deps/two.js") == "needle\n"
        for link in ("out", "up"):
            with pytest.raises(PathOutside):
                await env.read_file(f"{MODULES}/{link}")
            result = await env.exec_command(f"cat {MODULES}/{link}", timeout_ms=FAR_MS)
            assert result.exit_code != 0

    use(environment, work)


def test_file_tools_cannot_change_a_mount(
    environment: SandboxedExecutionEnvironment, workspace: Path, project: Path
) -> None:
    before = everything(project)

    async def work(env: ExecutionEnvironment) -> None:
        (workspace / "way").symlink_to(MODULES)
        (workspace / "file").symlink_to(FILE)
        for path in (
            *(f"{MODULES}/one/index.js", f"{MODULES}/new", f"{MODULES}/new/folder/x", FILE),
            *(f"{MODULES}/inner/new", "way/new", "file", f"{DEEP}/two.js", MODULES),
        ):
            with pytest.raises(
                FileUnusable, match=f"cannot write {path}: it is mounted"
            ) as messages:
                await env.write_file(path, "changed")
            assert "elsewhere" in messages.value.hint
        for path in (f"{MODULES}/one/index.js", f"{MODULES}/inner", FILE, MODULES, "way/out"):
            with pytest.raises(FileUnusable, match="cannot delete .* mounted read-only"):
                await env.delete_file(path)

    use(environment, work)
    assert everything(project) == before
    assert list((workspace / MODULES).iterdir()) == []


def test_commands_cannot_change_a_mount(
    environment: SandboxedExecutionEnvironment, workspace: Path, project: Path
) -> None:
    before = everything(project)
    under = "unshare --user --map-root-user --mount sh -c"
    results = run(
        environment,
        f"echo x >{MODULES}/one/index.js",
        f"touch {MODULES}/new",
        f"rm -rf {MODULES}/one",
        f"rm -rf {MODULES}",
        f"rm -f {FILE}",
        f"mv {MODULES} away",
        f"ln -sfn /tmp {MODULES}; test -L {MODULES}",
        f"chmod 777 {MODULES}",
        f"ln {FILE} twin",
        f"mount -o remount,rw,bind /workspace/{MODULES}",
        f"umount /workspace/{MODULES}",
        f"{under} 'mount -o remount,rw,bind /workspace/{MODULES} && touch {MODULES}/new'",
        f"{under} 'umount /workspace/{MODULES}'",
        f"{under} 'mount --bind /workspace/{MODULES} /tmp && touch /tmp/new'",
    )
    assert [at for at, result in enumerate(results) if result.exit_code == 0] == []
    assert everything(project) == before
    assert list((workspace / MODULES).iterdir()) == []


@pytest.mark.parametrize("plant", ["link", "dangling", "into the project", "file"])
def test_links_in_place_of_a_mount_point_are_removed(
    workspace: Path, project: Path, tmp_path: Path, plant: str, sandbox_allowed: None
) -> None:
    before = everything(project)
    outside = tmp_path / "outside"
    write(outside, {"kept": "mine\n"})
    targets = {"link": outside, "dangling": tmp_path / "made", "into the project": project}
    for path in (MODULES, DEEP, FILE):
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        if plant == "file":
            (workspace / path).write_text("planted")
            os.link(workspace / path, workspace / f"{path}.twin")
        else:
            (workspace / path).symlink_to(targets[plant])

    async def work(env: ExecutionEnvironment) -> None:
        result = await env.exec_command(f"cat {MODULES}/one/index.js {FILE}", timeout_ms=FAR_MS)
        assert result.stdout == "needle\nneedle=1\n"
        assert await env.read_file(f"{DEEP}/two.js") == "needle\n"
        if plant == "file":
            assert await env.read_file(f"{FILE}.twin") == "planted"

    use(sandboxed(workspace, mounts(project)), work)
    assert everything(project) == before
    assert (outside / "kept").read_text() == "mine\n"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("plant", ["link", "file"])
def test_replaced_mount(workspace: Path, project: Path, tmp_path: Path, plant: str) -> None:
    (tmp_path / "outside/app/deps").mkdir(parents=True)
    if plant == "link":
        (workspace / "packages").symlink_to(tmp_path / "outside")
    else:
        (workspace / "packages").write_text("work")
    made = make_mount_points(workspace, mounts(project))
    assert [one.path for one in made] == [MODULES, FILE]
    assert (workspace / "packages").is_symlink() == (plant == "link")
    assert list((tmp_path / "outside/app/deps").iterdir()) == []


def test_mounts_follow_a_moved_folder(
    environment: SandboxedExecutionEnvironment, workspace: Path, project: Path
) -> None:
    before = everything(project)
    swap = (
        f"mv packages old && mkdir -p {DEEP} && echo mine >{DEEP}/two.js && cat old/app/deps/two.js"
    )

    async def work(env: ExecutionEnvironment) -> None:
        result = await env.exec_command(swap, timeout_ms=FAR_MS)
        assert result.stdout == "needle\n"
        assert await env.read_file("old/app/deps/two.js") == "needle\n"
        assert await env.read_file(f"{DEEP}/two.js") == "mine\n"
        await env.write_file(f"{DEEP}/two.js", "ours\n")
        with pytest.raises(FileUnusable, match="read-only"):
            await env.write_file("old/app/deps/two.js", "changed")

    use(environment, work)
    assert everything(project) == before
    (result,) = run(environment, f"cat {DEEP}/two.js")
    assert result.stdout == "needle\n"


def test_mount_keeps_files_hidden(workspace: Path, project: Path, sandbox_allowed: None) -> None:
    state, key = project / MODULES / "state", project / MODULES / "key"
    write(project, {f"{MODULES}/state/ledger": "hidden\n", f"{MODULES}/key": "hidden\n"})

    async def work(env: ExecutionEnvironment) -> None:
        result = await env.exec_command(
            f"find {MODULES}/state; cat {MODULES}/state/ledger {MODULES}/key", timeout_ms=FAR_MS
        )
        assert result.stdout == f"{MODULES}/state\n"
        for path in ("state/ledger", "key"):
            with pytest.raises(FileUnusable):
                await env.read_file(f"{MODULES}/{path}")
        with pytest.raises(FileUnusable):
            await env.list_directory(f"{MODULES}/state")
        found = await env.grep("needle|hidden", MODULES, GrepOptions())
        assert found == f"{MODULES}/one/index.js:1:needle\n"
        names = [one.name for one in await env.list_directory(".", depth=9)]
        assert f"{MODULES}/one/index.js" in names
        assert f"{MODULES}/state/ledger" not in names
        assert f"{MODULES}/state/ledger" not in await env.glob("**/*")

    use(sandboxed(workspace, mounts(project, MODULES), [state, key]), work)
    nested = sandboxed(workspace, mounts(project, DEEP), [project / DEEP / "two.js"])
    with pytest.raises(UsageError, match="cannot be hidden"):
        run(nested, "true")


def test_missing_mount_source(environment: SandboxedExecutionEnvironment, project: Path) -> None:
    (project / FILE).unlink()
    (project / FILE).symlink_to("secret")
    with pytest.raises(
        SandboxNotStarted, match=r"\.env\.local of the project .* missing"
    ) as messages:
        run(environment, "true")
    assert "carry_read_only" in messages.value.hint


def test_mount_covers_files(environment: SandboxedExecutionEnvironment, workspace: Path) -> None:
    write(workspace, {f"{MODULES}/copy": "before\n"})
    (result,) = run(environment, f"ls {MODULES}")
    assert "copy" not in result.stdout
    assert (workspace / MODULES / "copy").read_text() == "before\n"


def test_no_file_of_the_supervisor_can_be_written(workspace: Path, sandbox_allowed: None) -> None:
    attempt = """
        for file in $(find /proc/1 -type f); do
            for value in 0 1 900; do
                if echo $value > $file; then echo "$value > $file"; fi
            done
        done 2>/dev/null
        echo tried
    """
    (tried,) = run(SandboxedExecutionEnvironment(workspace, make_walls()), attempt)
    assert tried.stdout == "tried\n"
