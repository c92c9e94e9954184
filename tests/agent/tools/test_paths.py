"""No tool leaves the working directory through a path."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from attractor.agent.tool_calls.tool import tool_parts
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.environments.errors import PathOutside
from tests.agent.places import finish, local
from tests.tables import table

SECRET = "the secret outside"


def patch(*lines: str) -> dict[str, Json]:
    return {"patch": "\n".join(["*** Begin Patch", *lines, "*** End Patch"])}


CALLS: Mapping[str, tuple[str, Callable[[str], dict[str, Json]]]] = {
    "read": ("read_file", lambda path: {"file_path": path}),
    "read an image": ("read_file", lambda path: {"file_path": f"{path}.png"}),
    "write": ("write_file", lambda path: {"file_path": path, "content": "planted"}),
    "edit": (
        "edit_file",
        lambda path: {"file_path": path, "old_string": "secret", "new_string": "planted"},
    ),
    "add": ("apply_patch", lambda path: patch(f"*** Add File: {path}", "+planted")),
    "add below": ("apply_patch", lambda path: patch(f"*** Add File: {path}/new", "+planted")),
    "update": ("apply_patch", lambda path: patch(f"*** Update File: {path}", f"-{SECRET}", "+x")),
    "remove": ("apply_patch", lambda path: patch(f"*** Delete File: {path}")),
    "move in": (
        "apply_patch",
        lambda path: patch(f"*** Update File: {path}", "*** Move to: taken"),
    ),
    "move out": (
        "apply_patch",
        lambda path: patch("*** Update File: own", f"*** Move to: {path}"),
    ),
    "search": ("grep", lambda path: {"pattern": "secret", "path": path}),
    "find": ("glob", lambda path: {"pattern": "*", "path": path}),
    "list": ("list_dir", lambda path: {"path": path}),
}
PATHS = ("../outside/secret", "a/../../outside/secret", "{outside}/secret", "link", "folder/secret")


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A working directory with links to a folder outside."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside):
        folder.mkdir()
    for name in ("secret", "secret.png"):
        (outside / name).write_bytes(b"\x89PNG\r\n\x1a\n" + SECRET.encode())
    (outside / "secret").write_text(SECRET)
    (inside / "own").write_text("own\n")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "link.png").symlink_to(outside / "secret.png")
    (inside / "folder").symlink_to("../outside")
    return inside


def content(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("case", CALLS)
@table("path", PATHS)
def test_a_path_outside_is_refused(inside: Path, case: str, path: str) -> None:
    name, arguments = CALLS[case]
    outside = inside.parent / "outside"
    before = content(inside.parent)
    with pytest.raises(PathOutside) as refused:
        finish(tool_parts()[name].execute(arguments(path.format(outside=outside)), local(inside)))
    assert SECRET not in str(refused.value)
    assert content(inside.parent) == before


@pytest.mark.parametrize("case", ["write", "edit", "update", "remove"])
def test_another_name_of_a_file_keeps_its_content(inside: Path, case: str) -> None:
    secret = inside.parent / "outside/secret"
    (inside / "hard").hardlink_to(secret)
    name, arguments = CALLS[case]
    finish(tool_parts()[name].execute(arguments("hard"), local(inside)))
    assert secret.read_text() == SECRET
    assert not (inside / "hard").exists() or (inside / "hard").read_text() != SECRET


def test_searches_do_not_follow_links(inside: Path) -> None:
    parts, environment = tool_parts(), local(inside)
    assert finish(parts["grep"].execute({"pattern": "secret"}, environment)) == "No matches"
    assert finish(parts["glob"].execute({"pattern": "**"}, environment)) == "own"
    listed = finish(parts["list_dir"].execute({"depth": 9}, environment))
    assert listed.split("\n") == ["folder", "link", "link.png", "own (4 bytes)"]
    many = finish(parts["read_many_files"].execute({"paths": ["**", "link"]}, environment))
    assert SECRET not in many


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/1/root/etc/passwd", "~/.netrc"])
def test_paths_of_the_machine_are_refused(inside: Path, path: str) -> None:
    with pytest.raises(AttractorError):
        finish(tool_parts()["read_file"].execute({"file_path": path}, local(inside)))
