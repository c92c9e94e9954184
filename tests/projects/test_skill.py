"""The skill matches this version, and its commands and its example work as written."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from attractor import node_types, validate
from attractor.base.errors import Refused
from attractor.cli.invocation import PROGRAM, build_root
from attractor.language.graph.attribute_catalogue import ATTRIBUTES
from attractor.language.linting.pages import page_names
from attractor.projects.skill import SKILL_FOLDERS, skill_files, write_skill
from tests.cli.running import attractor

SKILL = skill_files()
LIMIT = 40_000
"""Characters, about 10,000 tokens: an agent keeps the skill in its context."""


def test_skill_names_every_attribute_node_type_and_rule() -> None:
    attributes = SKILL["references/attributes.md"]
    assert [one for one in ATTRIBUTES if f"- `{one}` (" not in attributes] == []
    assert [one.name for one in node_types() if f"| `{one.name}` |" not in SKILL["SKILL.md"]] == []
    rules = re.findall(r"^## (\w+) \(\w+\)\n\n.+\n\n```diff\n[-+] .+$", *_of("rules.md"))
    assert rules == list(page_names())


def _of(name: str) -> tuple[str, re.RegexFlag]:
    return SKILL[f"references/{name}"], re.M


def test_skill_is_short_and_has_its_front_matter() -> None:
    assert sum(map(len, SKILL.values())) < LIMIT
    assert re.match(r"---\nname: attractor\ndescription: \S.{100,1000}\n---\n", SKILL["SKILL.md"])
    assert all("<!--" not in one for one in SKILL.values())
    named = set(re.findall(r"references/\w+\.md", SKILL["SKILL.md"]))
    assert named == {*SKILL} - {"SKILL.md"}


def test_every_command_in_the_skill_exists_with_its_options() -> None:
    written = {one for text in SKILL.values() for one in re.findall(r"`(attractor [^`]+)`", text)}
    assert len(written) > 20
    for line in written:
        _, name, *words = shlex.split(line)
        command = build_root().get_command(click.Context(click.Group(PROGRAM)), name)
        assert command, line
        known = {option for one in command.params for option in one.opts}
        assert [one for one in words if one.startswith("-") and one not in known] == [], line


def test_example_has_no_problem_and_passes_its_tests(tmp_path: Path) -> None:
    [example] = re.findall(r"```dot\n(.*?)```", SKILL["SKILL.md"], re.S)
    [tests] = re.findall(r"```toml\n(.*?)```", SKILL["SKILL.md"], re.S)
    (tmp_path / "feature.dot").write_text(example)
    (tmp_path / "feature.test.toml").write_text(tests)
    assert list(validate(tmp_path / "feature.dot")) == []
    done = attractor("test", ".", folder=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 tests, none failed")


def test_only_own_files_are_overwritten(tmp_path: Path) -> None:
    [skill, *_] = write_skill(tmp_path)
    first = skill.read_text()
    write_skill(tmp_path)
    for foreign in (first.replace("Attractor", "Detractor"), "My own skill\n"):
        skill.write_text(foreign)
        with pytest.raises(Refused, match="SKILL.md was not written by this command"):
            write_skill(tmp_path)
        assert skill.read_text() == foreign
    write_skill(tmp_path, force=True)
    assert skill.read_text() == first


def test_command_writes_where_agents_look_and_refuses_without_force(tmp_path: Path) -> None:
    done = attractor("skill", "--json", folder=tmp_path)
    files = [Path(one) for one in json.loads(done.stdout)["files"]]
    assert files == [tmp_path / folder / name for folder in SKILL_FOLDERS for name in SKILL]
    assert all(one.is_file() for one in files)
    files[-1].write_text("mine")
    refused = attractor("skill", folder=tmp_path)
    assert (refused.returncode, "--force" in refused.stderr) == (4, True)
    done = attractor("skill", "--force", "mine", folder=tmp_path)
    assert done.stdout.splitlines()[0] == "wrote mine/SKILL.md"
    (tmp_path / "file").touch()
    refused = attractor("skill", "file/skill", folder=tmp_path)
    assert "error: cannot write file/skill/SKILL.md: Not a directory" in refused.stderr
