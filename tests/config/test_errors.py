import pytest

from attractor.base.errors import ExitCode, UsageError
from attractor.config.errors import (
    BrokenFile,
    ConfigError,
    InvalidSetting,
    SeveralMistakes,
    UnknownSetting,
    raise_mistakes,
)
from attractor.config.origins import Origin, OriginKind

PLACE = Origin(OriginKind.PROJECT, "attractor.toml", 3)


@pytest.mark.parametrize("kind", [BrokenFile, UnknownSetting, InvalidSetting])
def test_every_mistake_is_wrong_usage_and_begins_with_its_place(kind: type[ConfigError]):
    mistake = kind("it is wrong", origin=PLACE)
    assert isinstance(mistake, UsageError)
    assert mistake.exit_code is ExitCode.USAGE
    assert mistake.message == "attractor.toml:3: it is wrong"


def test_a_message_left_out_is_the_docstring():
    assert UnknownSetting(origin=PLACE).message == "attractor.toml:3: There is no such setting"
    assert UnknownSetting().message == "There is no such setting"


def test_only_what_is_wrong_raises():
    assert raised([]) == []
    assert len(raised([UnknownSetting("x")])) == 1


def raised(mistakes: list[ConfigError]) -> list[ConfigError]:
    try:
        raise_mistakes(mistakes)
    except ConfigError as mistake:
        return [mistake]
    return []


def test_one_mistake_is_raised_as_it_is():
    mistake = UnknownSetting("x")
    with pytest.raises(UnknownSetting) as caught:
        raise_mistakes([mistake])
    assert caught.value is mistake


def test_several_mistakes_have_a_line_each_with_the_hint_that_is_their_own():
    mistakes = [UnknownSetting("a", hint="did you mean b?"), InvalidSetting("c"), BrokenFile("d")]
    with pytest.raises(SeveralMistakes) as caught:
        raise_mistakes(mistakes)
    assert caught.value.message.splitlines() == ["a (did you mean b?)", "c", "d"]
    assert caught.value.mistakes == tuple(mistakes)
    assert caught.value.exit_code is ExitCode.USAGE


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted():
    mistakes = [UnknownSetting(f"number {number}") for number in range(25)]
    lines = SeveralMistakes(mistakes).message.splitlines()
    assert len(lines) == 11
    assert "number 9" in lines[9]
    assert lines[10] == "and 15 more"
