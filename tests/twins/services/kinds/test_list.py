from typing import Any

from tests.tables import table
from tests.twins.services.asking import PEOPLE, Asked

ROUTE = """
[[routes]]
path = "/people"
kind = "list"
collection = "people"
filters = ["city", "age"]
ignores = ["expand[]"]
"""


def names(answer: tuple[int, Any]) -> list[str]:
    return [one["id"] for one in answer[1]]


@table(
    ("query", "found"),
    [("", ["ada", "bo"]), ("?city=Oslo", ["bo"]), ("?age=36&expand[]=x", ["ada"]), ("?age=x", [])],
)
def test_list_is_filtered_by_the_query(query: str, found: list[str]) -> None:
    assert names(Asked(PEOPLE + ROUTE)(f"GET /people{query}")) == found


def test_unknown_query_parameters_are_rejected() -> None:
    status, body = Asked(PEOPLE + ROUTE)("GET /people?citty=Oslo")
    assert (status, body["error"]["code"]) == (400, "unknown_parameter")
    assert "unknown parameter 'citty'; known: age, city, expand[]" in body["error"]["message"]


def test_list_is_sorted() -> None:
    for sort, found in (
        ("age", ["bo", "ada"]),
        ("-id", ["bo", "ada"]),
        ("city", ["ada", "bo"]),
        ("none", ["ada", "bo"]),
    ):
        assert names(Asked(f'{PEOPLE}{ROUTE}sort = "{sort}"')("GET /people")) == found


def test_list_is_filtered_by_the_path() -> None:
    route = ROUTE.replace("/people", "/in/{city}")
    ask = Asked(PEOPLE + route + 'where = { city = "{{ path.city }}" }')
    assert names(ask("GET /in/Oslo")) == ["bo"]


def test_list_is_paged_with_a_link_to_the_next_page() -> None:
    more = """
paging = { by = "page", at = "page", size = "per_page", default = 1 }
headers = { link = "<?page={{ next }}>" }
json = { data = "{{ records }}", more = "{{ has_more }}", total = "{{ total }}" }
"""
    ask = Asked(PEOPLE + ROUTE + more)
    pages = [ask(f"GET /people?page={number}")[1] for number in (1, 2)]
    assert [[one["id"] for one in page["data"]] for page in pages] == [["ada"], ["bo"]]
    assert [(page["more"], page["total"]) for page in pages] == [(True, 2), (False, 2)]


def test_filter_has_a_default_and_a_value_for_all() -> None:
    table = '{ city = { default = "Oslo", all = "any" }, age = { all = "*" }, id = {} }'
    ask = Asked(PEOPLE + ROUTE.replace('["city", "age"]', table))
    for query, found in (
        ("", ["bo"]),
        ("?city=London", ["ada"]),
        ("?city=any", ["ada", "bo"]),
        ("?city=any&age=36", ["ada"]),
        ("?city=any&age=*", ["ada", "bo"]),
        ("?city=any&id=any", []),
    ):
        assert names(ask(f"GET /people{query}")) == found, query
    assert ask("GET /people?name=x")[0] == 400
    assert names(Asked(PEOPLE + ROUTE.replace('["city", "age"]', "[]"))("GET /people"))
