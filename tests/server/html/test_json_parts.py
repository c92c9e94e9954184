"""A large JSON value is shown in parts, each of a bounded size, which have all of it together."""

import json
from typing import Any

import pytest

from attractor.base.errors import UnknownName
from attractor.server.html.json_parts import FOLDED, WHOLE, part_at, pretty

BRANCHES = [{"key": f"b{number}", "note": "x" * FOLDED, "a/b": number} for number in range(50)]
STATE: dict[str, Any] = {
    "status": "running",
    "small": {"is": "here"},
    "run": {"branches": BRANCHES, "begun": {f"s{number}": number for number in range(2000)}},
}


def test_small_value_is_one_part() -> None:
    part = part_at({"a": 1}, "")
    assert (part.text, part.members, part.next) == (pretty({"a": 1}), (), 0)


def test_parts_of_a_large_value_link_to_those_inside_and_repeat_nothing() -> None:
    top = part_at(STATE, "")
    assert json.loads(top.text) == {"status": "running", "small": {"is": "here"}}
    assert [one.path for one in top.members] == ["run"]
    inner = part_at(STATE, "run")
    assert [one.path for one in inner.members] == ["run/branches", "run/begun"]
    branches = part_at(STATE, "run/branches")
    assert (branches.text, branches.members[7].name) == ("", "7 b7")
    branch = part_at(STATE, branches.members[7].path)
    assert json.loads(branch.text) == BRANCHES[7]
    assert [one.path for one in branch.names] == ["", "run", "run/branches", "run/branches/7"]


def test_many_small_members_are_shown_in_pages() -> None:
    found: dict[str, int] = {}
    part = part_at(STATE, "run/begun")
    while True:
        assert len(part.text) < 4 * WHOLE
        found |= json.loads(part.text)
        if not part.next:
            break
        part = part_at(STATE, "run/begun", part.next)
    assert found == STATE["run"]["begun"]


@pytest.mark.parametrize("path", ["none", "run/branches/50", "run/branches/x", "status/r"])
def test_unknown_part_is_refused(path: str) -> None:
    with pytest.raises(UnknownName):
        part_at(STATE, path)


def test_name_with_a_slash_is_one_step() -> None:
    value: dict[str, Any] = {"a/b": {"c": "x" * WHOLE}}
    [member] = part_at(value, "").members
    assert (member.name, part_at(value, member.path).names[-1].name) == ("a/b", "a/b")
