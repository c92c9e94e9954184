import pytest

from attractor.twins.services.route_match import members
from tests.twins.services.asking import Asked

ROUTES = """
[[routes]]
name = "slow"
path = "/v1/things/{id}"
kind = "fixed"
body = "slow"
when = { header = { x-mode = "slow" }, query = { page = "1" } }
[[routes]]
name = "post"
method = "POST"
path = "/v1/things"
kind = "fixed"
body = "post"
[[routes]]
name = "any"
method = "*"
path = "/any/{rest...}"
kind = "fixed"
body = "{{ method }} {{ path.rest }}"
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("GET /v1/things", "the nearest is 'post', but its method is POST"),
        ("POST /v1/thing", "the nearest is 'post', but its path is /v1/things"),
        ("PUT /v1/thing", "but its path is /v1/things and its method is POST"),
        (
            "GET /v1/things/1",
            "the nearest is 'slow', but header x-mode is missing and query page is missing",
        ),
    ],
)
def test_unmatched_request_names_the_nearest_route(words: str, told: str) -> None:
    ask = Asked(ROUTES)
    status, body = ask(words)
    assert (status, body["error"]["code"], body["twin"]) == (404, "no_route", True)
    assert told in body["error"]["message"]
    (entry,) = ask.dispatcher.requests
    assert (entry.route, entry.status) == ("", 404)
    assert told in entry.why


def test_first_matching_route_answers() -> None:
    ask = Asked(ROUTES)
    assert ask("GET /v1/things/1?page=1", x_mode="slow") == (200, "slow")
    assert ask("POST /v1/things") == (200, "post")
    assert ask("DELETE /any/a/b") == (200, "DELETE a/b")
    assert ask("GET /any/") == (200, "GET ")
    assert ask("POST /v1/things/") == (200, "post")


def test_rest_parameter_matches_the_root() -> None:
    ask = Asked('[[routes]]\npath = "/{rest...}"\nkind = "fixed"\nbody = "<{{ path.rest }}>"\n')
    assert [ask(f"GET {path}") for path in ("/", "/a/b")] == [(200, "<>"), (200, "<a/b>")]


RECORDS_ROUTES = """
[[routes]]
method = "POST"
path = "/c"
kind = "create"
collection = "c"
"""


def test_new_ids_skip_existing_ids() -> None:
    ask = Asked("state.c = [{ id = 1 }, { id = '3' }]\n" + RECORDS_ROUTES)
    assert [ask("POST /c")[1]["id"] for _ in range(3)] == ["2", "4", "5"]


def test_id_may_be_a_number_with_another_key() -> None:
    ask = Asked('collections.c = { key = "number", id = "{{ counter() }}" }\n' + RECORDS_ROUTES)
    assert [ask("POST /c", {"a": 1})[1] for _ in range(2)] == [
        {"number": 1, "a": 1},
        {"number": 2, "a": 1},
    ]
    assert list(members(ask.dispatcher.state()["c"])) == ["1", "2"]


def test_duplicate_id_is_a_conflict() -> None:
    ask = Asked('collections.c = { id = "{{ body.id }}" }\n' + RECORDS_ROUTES)
    assert [ask("POST /c", {"id": "a"})[0] for _ in range(2)] == [201, 409]


def test_non_object_body_is_rejected() -> None:
    ask = Asked("state.c = []\n" + RECORDS_ROUTES)
    assert ask("POST /c", [1])[1]["error"]["code"] == "invalid_body"
