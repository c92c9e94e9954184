from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.twins.services.errors import ServiceError
from attractor.twins.services.service import find_services, load_service, parse_service
from tests.examples import Fence, fences
from tests.tables import table
from tests.twins.services.asking import PEOPLE, fixed

PAYMENTS = Path(__file__).parents[3] / "examples" / "twins" / "payments"


def refusal(toml: str, folder: Path = Path()) -> str:
    with pytest.raises(ServiceError) as caught:
        parse_service(toml, folder=folder, source="t.toml")
    error = caught.value
    return f"{error.message} ({error.hint})" if error.hint else error.message


def test_a_service_is_a_file_or_a_folder() -> None:
    assert load_service(PAYMENTS).name == load_service(PAYMENTS / "twin.toml").name == "payments"
    assert find_services(PAYMENTS.parent) == [PAYMENTS]
    assert find_services(PAYMENTS) == [PAYMENTS]


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        load_service(tmp_path)
    with pytest.raises(ServiceError, match=r"no twin\.toml"):
        find_services(tmp_path)
    (tmp_path / "twin.toml").write_bytes(b"\xff")
    with pytest.raises(ServiceError, match="not UTF-8"):
        load_service(tmp_path)
    assert refusal('name = "s"\nurl = ').startswith("t.toml:2:6: invalid TOML: Invalid value")


KEPT = """
[[state.people]]
id = "p_1"
[[routes]]
path = "/people"
kind = "list"
collection = "people"
"""


def test_mistake_beside_the_state_is_reported_alone() -> None:
    assert parse_service(f'name = "s"\n{KEPT}').name == "s"
    assert refusal(f'name = "s"\nquux = 1\n{KEPT}').startswith("t.toml:2: unknown key quux (see ")


ROUTE = 'name = "s"\n[[routes]]\npath = "/x/{id}"\n'


def test_mistakes_are_reported_with_line_key_and_fix() -> None:
    for toml, message in (
        ('name = "s"', "t.toml: missing routes (add [[routes]]"),
        ('name = "s"\nrotes = 1', "t.toml:2: unknown key rotes (did you mean routes?)"),
        (fixed("1"), "t.toml: name is missing"),
        ('name = "s"\nroutes = [1]', "routes[0]: should be a table"),
        ('name = "s"\n[[routes]]\npath = 5\nkind = "fixed"', "a path must be a text such as"),
        (ROUTE + 'kind = "fixed"\nfaults = [5]', "routes[0].faults[0]"),
        (ROUTE + 'kind = "fixed"\nheaders = { a = 5 }', "must be a text"),
        (ROUTE, "t.toml:2: routes[0]: missing kind (use one of create, delete, fixed"),
        (ROUTE + 'kind = "fixd"', "t.toml:4: routes[0].kind: unknown kind 'fixd' (did you mean"),
        (
            ROUTE + 'kind = "fixed"\n[routes.headrs]\na = "b"',
            "t.toml:5: unknown key routes[0].headrs (did you mean headers?)",
        ),
        (
            ROUTE + 'kind = "fixed"\nwhen = { heder = {} }',
            "t.toml:5: unknown key routes[0].when.heder (did you mean header?)",
        ),
        (
            ROUTE + 'kind = "fixed"\nfaults = [{ kind = "cut", satus = 4 }]',
            "t.toml:5: unknown key routes[0].faults[0].satus (did you mean status?)",
        ),
        (
            ROUTE + 'kind = "fixed"\njson = "{{ path.name }}"',
            "t.toml:5: routes[0].json: unknown path parameter 'name' (known: id)",
        ),
        (
            ROUTE + 'kind = "fixed"\nheaders = { a = "{{ record.id }}" }',
            "routes[0].headers: unknown name 'record' in braces",
        ),
        (ROUTE + 'kind = "fixed"\njson = "{{ quary }}"', "did you mean query?"),
        (
            ROUTE + 'kind = "fixed"\njson = { a = 2026-01-01 }',
            "is not a JSON value: put it in quotes",
        ),
        (ROUTE + 'kind = "fixed"\njson = { a = [nan] }', "nan is not a JSON number"),
        (ROUTE + 'kind = "fixed"\njson = -inf', "routes[0].json = -inf: -inf is not a JSON number"),
        ('name = "s"\nstate.a = { b = nan }\n' + fixed("1"), "state"),
        (
            ROUTE + 'kind = "fixed"\nheaders = { "a\\nb" = "x" }',
            "t.toml:5: routes[0].headers: invalid header 'a\\nb'",
        ),
        (ROUTE + 'kind = "fixed"\nheaders = { a = "x\\ny" }', "invalid header 'a'"),
        (ROUTE + 'kind = "fixed"\nheaders = { "a b" = "{{ now }}" }', "invalid header 'a b'"),
        (
            'name = "s"\nerrors.headers = { "a\\nb" = "x" }\n' + fixed("1"),
            "errors.headers: invalid header 'a\\nb'",
        ),
        (
            'name = "s"\nauth = { kind = "header", name = "a\\nb", key = "k" }\n' + fixed("1"),
            "invalid header name",
        ),
        (
            'name = "s"\n[[auth]]\nkind = "bearer"\nkey = "a"\n[[auth]]\nkind = "basic"\n'
            'key = "a:b"\nstatus = 403\n' + fixed("1"),
            "t.toml:2: auth: only the first table can declare the response",
        ),
        ('name = "s"\nauth = { kind = "bearer" }\n' + fixed("1"), "t.toml:2: auth.key is missing"),
        ('name = "s"\nerrors.status = { lost = 404 }\n' + fixed("1"), "errors.status.lost"),
        (ROUTE + 'kind = "list"\ncollection = "c"\nfilters = 5', "routes[0].filters = 5 should be"),
        (ROUTE + 'kind = "fixed"\nmethod = "get"', "routes[0].method = 'get': String should"),
        (ROUTE + 'kind = "get"', "t.toml:2: routes[0].collection is missing"),
        (ROUTE + 'kind = "get"\ncollection = "c"', "unknown collection 'c'; known collections: no"),
        (
            f'name = "s"\n{PEOPLE}[[routes]]\npath = "/x"\nkind = "get"\ncollection = "people"',
            "routes[0].id: missing id",
        ),
        (ROUTE + 'kind = "handler"\nfunction = "f"', "missing file handler.py"),
        (
            ROUTE + 'kind = "replay"\nrecordings = ["no/*.jsonl"]\nthen = "stay"',
            "t.toml:5: routes[0].recordings: no file in",
        ),
        (
            ROUTE + 'kind = "fixed"\n[[routes]]\npath = "/x/new"\nkind = "fixed"',
            "t.toml:6: routes[1].path: unreachable route: 'GET /x/{id}' before it",
        ),
        (
            ROUTE + 'kind="fixed"\nname="a"\n[[routes]]\npath="/y"\nkind="fixed"\nname="a"',
            "routes[1].name: duplicate route name 'a'",
        ),
        (
            'name = "s"\nenviron = { URL = "{{ urll }}" }\n' + fixed("1"),
            "environ.URL: unknown name 'urll' in braces (did you mean url?)",
        ),
        (
            'name = "s"\n[collections.c]\nid = "c_{{ leters(8) }}"\n' + fixed("1"),
            "t.toml:3: collections.c.id: unknown name 'leters' in braces (did you mean letters?)",
        ),
        ('name = "s"\nerrors.json = "{{ mesage }}"\n' + fixed("1"), "did you mean message?"),
        (
            'name = "s"\n[[state.c]]\nname = "x"\n' + fixed("1"),
            "t.toml:2: state.c[0]: a record of c has no 'id', which is the id field of the "
            "collection",
        ),
        (
            'name = "s"\nstate.c = [{ id = 1 }, { id = "1" }]\n' + fixed("1"),
            "state.c[1].id: duplicate id '1'",
        ),
        (
            'name = "s"\nstate.c = 1\ncollections.c = {}\n' + fixed("1"),
            "t.toml:2: state.c: a collection must be a list of tables",
        ),
        (
            'name = "s"\nauth = { kind = "header", key = "k" }\n' + fixed("1"),
            "missing name of the header",
        ),
        ('name = "s"\nclock.start = 2026-01-01T00:00:00\n' + fixed("1"), "add a Z"),
    ):
        assert message in refusal(toml)


def test_several_mistakes_are_reported_together() -> None:
    bad = '[[routes]]\npath = "x"\nkind = "fixed"\n' * 5
    message = refusal('name = "s"\n' + bad)
    assert message.count("invalid path: it must begin with /") == 5


def test_routes_without_a_name_are_called_by_method_and_path() -> None:
    when = 'when.query.a = "1"\n'
    routes = parse_service('name = "s"\n' + fixed("1", when) + fixed("2")).routes
    assert [one.name for one in routes] == ["GET /x", "GET /x (2)"]


PAGES = ("service-twins.md", "stand-in-for-services.md")
TOML = [one for one in fences("toml") if one.page.name in PAGES]


@table("fence", TOML)
def test_documented_services_are_valid(fence: Fence, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    recorded = '{"request": {"method": "GET", "path": "/a"}, "response": {"status": 200}}\n'
    (tmp_path / "recordings" / "a.jsonl").write_text(recorded)
    (tmp_path / "handler.py").write_text("def refund(request, state, draw): return 1\n")
    assert parse_service(fence.text, folder=tmp_path).routes
