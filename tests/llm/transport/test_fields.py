import pytest

from attractor.base.json import Json
from attractor.llm.errors import ServerError
from attractor.llm.transport.fields import Fields
from tests.tables import table

BODY: Json = {"id": "a", "none": None, "n": 3, "o": {"x": "y"}, "list": [{"t": "u"}], "odd": [1]}


def fields(value: Json = BODY) -> Fields:
    return Fields(value, provider="openai")


def test_present_fields_are_read() -> None:
    assert fields().text("id") == "a"
    assert fields().count("n") == 3
    assert fields().object("o").text("x") == "y"
    assert [one.text("t") for one in fields().objects("list")] == ["u"]


@table("key", ["none", "missing"])
def test_optional_fields_have_defaults(key: str) -> None:
    assert fields().text_or_none(key) is None
    assert fields().count_or_none(key) is None
    assert fields().count(key) == 0
    assert fields().object(key).raw == {}


def test_field_of_a_wrong_type_is_named() -> None:
    for key, method, wanted in (
        ("n", "text", "a text"),
        ("missing", "text", "a text"),
        ("n", "text_or_none", "a text"),
        ("id", "count", "a count"),
        ("id", "object", "an object"),
        ("o", "objects", "a list"),
        ("missing", "objects", "a list"),
    ):
        with pytest.raises(ServerError, match=f"the answer.{key} is not {wanted}"):
            getattr(fields(), method)(key)


@table("value", [True, -1, 1.5, "1"])
def test_a_count_is_a_whole_number(value: Json) -> None:
    with pytest.raises(ServerError, match="not a count"):
        fields({"n": value}).count("n")


def test_path_of_a_nested_fault_is_named() -> None:
    with pytest.raises(ServerError, match=r"the answer\.odd\[0\] is not an object"):
        fields().objects("odd")
    with pytest.raises(ServerError, match=r"the answer\.o\.x is not a count"):
        fields().object("o").count("x")
    with pytest.raises(ServerError, match="the answer is not an object"):
        fields([])
