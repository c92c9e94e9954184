from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from attractor.twins.places import written_path
from attractor.twins.toml_unions import find_wrongs, without_echoes


def _short(value: str) -> str:
    if len(value) > 3:
        raise ValueError("too long")
    return value


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Regex(Strict):
    regex: str


class Pair(Strict):
    one: int
    two: int


class Form(Strict):
    words: str | Regex = ""
    short: Annotated[str, AfterValidator(_short)] | int = ""
    kind: Literal["a"] | int = 0
    pair: Regex | Pair | None = None
    rows: list[str | Regex] = []
    deep: dict[str, list[int] | Regex] = {}
    plain: Pair | None = None


def told(table: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(table)
    names = {*Form.model_fields, *Regex.model_fields, *Pair.model_fields}
    found = without_echoes(find_wrongs(caught.value.errors(), table), names)
    return [f"{written_path(one.place)}: {one.kind} {one.key}: {one.told}" for one in found]


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({"words": 5}, "words: string_type str: Input should be a valid string or a table"),
        ({"words": {"regex": 5}}, "words.regex: string_type regex: Input should be a valid string"),
        ({"words": {}}, "words: missing regex: Field required"),
        (
            {"words": {"regx": "a"}},
            "words.regx: extra_forbidden regx: Extra inputs are not permitted",
        ),
        ({"short": "long"}, "short: value_error function-after[_short(), str]: too long"),
        ({"kind": "b"}, "kind: literal_error literal['a']: Input should be 'a' or a valid integer"),
        ({"pair": {"one": 1}}, "pair: missing two: Field required"),
        (
            {"rows": ["a", 5]},
            "rows[1]: string_type str: Input should be a valid string or a table",
        ),
        (
            {"deep": {"x": 1}},
            "deep.x: list_type list[int]: Input should be a list or a table",
        ),
        (
            {"deep": {"x": [1, "a"]}},
            "deep.x[1]: int_type 1: Input should be a valid integer",
        ),
    ],
)
def test_what_could_be_several_things_is_told_once(table: dict[str, Any], wrong: str) -> None:
    assert told(table) == [wrong]


def test_two_mistakes_stay_two() -> None:
    assert len(told({"words": 5, "short": []})) == 2
    assert len(told({"rows": [1, 2]})) == 2
    assert len(told({"plain": {}})) == 2


def test_a_key_that_was_mistyped_is_not_missing_too() -> None:
    assert told({"plain": {"one": 1, "tow": 2}}) == [
        "plain.tow: extra_forbidden tow: Extra inputs are not permitted"
    ]
    assert len(told({"plain": {"one": 1, "elsewhere": 2}})) == 2
