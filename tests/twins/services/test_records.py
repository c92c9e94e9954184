from attractor.twins.services.json_paths import members
from tests.twins.services.asking import Asked

ROUTES = """
[[routes]]
method = "POST"
path = "/c"
kind = "create"
collection = "c"
"""


def test_ids_are_counted_past_those_that_are_taken() -> None:
    ask = Asked("state.c = [{ id = 1 }, { id = '3' }]\n" + ROUTES)
    assert [ask("POST /c")[1]["id"] for _ in range(3)] == ["2", "4", "5"]


def test_an_id_may_be_a_number_and_stand_under_another_name() -> None:
    ask = Asked('collections.c = { key = "number", id = "{{ counter() }}" }\n' + ROUTES)
    assert [ask("POST /c", {"a": 1})[1] for _ in range(2)] == [
        {"number": 1, "a": 1},
        {"number": 2, "a": 1},
    ]
    assert list(members(ask.stand_in.state()["c"])) == ["1", "2"]


def test_an_id_that_is_taken_is_a_conflict() -> None:
    ask = Asked('collections.c = { id = "{{ body.id }}" }\n' + ROUTES)
    assert [ask("POST /c", {"id": "a"})[0] for _ in range(2)] == [201, 409]


def test_what_is_no_table_is_refused() -> None:
    ask = Asked("state.c = []\n" + ROUTES)
    assert ask("POST /c", [1])[1]["error"]["code"] == "invalid_body"
