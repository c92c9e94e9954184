from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.config.load import load_configuration
from attractor.config.schema import Configuration
from attractor.config.settings import Settings
from attractor.language.linting.lint_rule import VITAL, Level, rule_names
from attractor.pipeline.rule_levels import rule_levels


def configured(
    folder: Path, *flags: str, project: str = "", user: str = ""
) -> Configuration[Settings]:
    (folder / "attractor.toml").write_text(project)
    (folder / "user.toml").write_text(user)
    return load_configuration(
        start=folder,
        cwd=folder,
        environ={"HOME": str(folder)},
        flags=flags,
        user_file=folder / "user.toml",
    )


def test_a_project_says_the_level_of_a_rule(tmp_path: Path) -> None:
    text = '[rules]\nreachability = "warning"\nportability = "off"\nunused_ignore = "info"\n'
    assert rule_levels(configured(tmp_path, project=text)) == {
        "reachability": Level.WARNING,
        "portability": Level.OFF,
        "unused_ignore": Level.INFO,
    }


def test_nothing_set_leaves_every_rule_as_it_is(tmp_path: Path) -> None:
    assert rule_levels(configured(tmp_path)) == {}


def test_a_flag_wins_over_the_project(tmp_path: Path) -> None:
    configuration = configured(
        tmp_path, "rules.reachability=off", project='[rules]\nreachability = "warning"\n'
    )
    assert rule_levels(configuration) == {"reachability": Level.OFF}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('reachabilty = "off"', "did you mean reachability?"),
        ('zzz = "off"', "see 'attractor rules'"),
        ('"a b.c" = "off"', "there is no rule a b.c"),
        ('start_node = "info"', "no pipeline runs without it"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        rule_levels(configured(tmp_path, project=f"\n[rules]\n{line}\n"))
    assert "attractor.toml:3: " in caught.value.message
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    text = '[rules]\nzzz = "off"\nyyy = "off"\n'
    with pytest.raises(UsageError) as caught:
        rule_levels(configured(tmp_path, project=text))
    assert {"zzz", "yyy"} <= set(caught.value.message.replace(":", " ").split())


def test_what_is_vital_may_be_called_an_error(tmp_path: Path) -> None:
    text = '[rules]\nstart_node = "error"\n'
    assert rule_levels(configured(tmp_path, project=text)) == {"start_node": Level.ERROR}


def test_a_user_does_not_change_how_a_project_is_judged(tmp_path: Path) -> None:
    configuration = configured(tmp_path, user='[rules]\nreachability = "off"\n')
    with pytest.raises(UsageError, match=r"rules.reachability belongs to a project") as caught:
        rule_levels(configuration)
    assert "attractor.toml" in caught.value.hint


def test_every_vital_rule_has_a_name() -> None:
    assert rule_names() >= VITAL
    assert {"portability", "unused_ignore", "undeclared_node"} <= rule_names()
