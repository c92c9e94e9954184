import pytest

from attractor.base.json import Json
from attractor.llm.errors import ServerError
from attractor.llm.transport.fields import Fields
from tests.tables import table

BODY: Json = {"id": "a", "none": None, "n": 3, "o": {"x": "y"}, "list": [{"t": "u"}], "odd": [1]}


def fields(value: Json = BODY) -> Fields:
    return Fields(value, provider="openai")


def test_what_is_there_is_read() -> None:
    assert fields().text("id") == "a"
    assert fields().count("n") == 3
    assert fields().object("o").text("x") == "y"
    assert [one.text("t") for one in fields().objects("list")] == ["u"]


@table("key", ["none", "missing"])
def test_what_may_be_missing_has_a_stand_in(key: str) -> None:
    assert fields().text_or_none(key) is None
    assert fields().count_or_none(key) is None
    assert fields().count(key) == 0
    assert fields().object(key).raw == {}


def test_what_is_of_the_wrong_sort_is_named() -> None:
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


def test_the_place_of_what_is_wrong_is_told_however_deep() -> None:
    with pytest.raises(ServerError, match=r"the answer\.odd\[0\] is not an object"):
        fields().objects("odd")
    with pytest.raises(ServerError, match=r"the answer\.o\.x is not a count"):
        fields().object("o").count("x")
    with pytest.raises(ServerError, match="the answer is not an object"):
        fields([])
