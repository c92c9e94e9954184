"""Use an app with roles as its people, its operator and a harness, and attack it."""

import json
import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from attractor.growth.apps.access import KEY_HASH, hash_of_key, key_header
from attractor.growth.apps.process import running_app
from attractor.growth.apps.routes import routes
from attractor.growth.apps.skeleton import write_app
from attractor.growth.morph import add_child, new_node, read_morph
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.browsers import PICTURES, browser
from tests.growth.apps.lending import BODIES, LENDING
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_pages import require_look
from tests.growth.apps.test_process import command
from tests.tables import table

KEY = "key-of-the-harness"
PAGE, JSON = {"accept": "text/html"}, {"accept": "application/json"}
ROLES: tuple[Mapping[str, Any], ...] = (
    {"name": "Guest"},
    {
        **{"name": "Neighbour", "sees": ["Tools", "Tool"]},
        **{"does": ["Lend again"], "edits": ["Wish"]},
    },
    {"name": "Keeper", "does": ["Lending"], "edits": ["Tool", "Loan", "Neighbour", "Wish"]},
)


def with_roles() -> SpecGraph:
    output = new_node(LENDING, "Lent", "output").with_targets(Relation.READS, ["loan"])
    graph = add_child(LENDING, "workflows", output)
    for one in ROLES:
        graph = read_morph({"type": "add_role", **one}).apply(graph)
    return graph


class Street:
    """An app with roles in a folder, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.tree = write_with_bodies(with_roles(), folder / "tree", BODIES)
        self.state = folder / "state"
        self.url = ""

    @contextmanager
    def serving(self, **variables: str) -> Generator[None]:
        with command(self.tree, **{KEY_HASH: hash_of_key(KEY), **variables}) as (_, self.url):
            yield

    def run(self, *words: str, clock: str = "", code: int = 0) -> Any:
        environ = {"APP_STATE": str(self.state), "APP_CLOCK": clock}
        argv = [sys.executable, "-m", "app", *words]
        done = subprocess.run(
            argv, cwd=self.tree, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stderr if code else json.loads(done.stdout)

    def invite(self, name: str, role: str, *, clock: str = "") -> str:
        return f"/sign-in/{self.run('invite', name, '--role', role, clock=clock)['secret']}"

    def client(self, headers: Mapping[str, str] = PAGE) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=headers, follow_redirects=True)

    @contextmanager
    def signed_in(self, role: str, headers: Mapping[str, str] = PAGE) -> Generator[httpx.Client]:
        with self.client(headers) as client:
            answer = client.post(self.invite(f"A {role}", role), headers=PAGE)
            assert answer.status_code == 200
            yield client

    def harness(self) -> httpx.Client:
        return self.client({**JSON, **key_header(KEY)})


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Generator[Street]:
    app = Street(tmp_path_factory.mktemp("street"))
    with app.serving():
        with app.harness() as harness:
            harness.post("/data/tool", json={"name": "Drill", "kind": "power"})
            harness.post("/data/neighbour", json={"name": "Zoe", "mail": "zoe@street.example"})
        yield app


def requests() -> list[tuple[str, str]]:
    """Return a request for each route of the app: of the API, of the pages, and an unknown one."""
    found = [
        (one.method, one.path.replace("{id}", "x"))
        for one in routes(with_roles())
        if one.path != "/health"
    ]
    for entity in ("tool", "neighbour", "wish", "loan"):
        record = f"/records/{entity}/x"
        found += [("GET", one) for one in (f"/records/{entity}", record, f"/new/{entity}")]
        found += [("POST", one) for one in (f"/records/{entity}", record, f"{record}/remove")]
        found += [("GET", f"{record}/remove")]
        found += [("GET", f"/records/{entity}.csv"), ("GET", f"/new/{entity}/csv")]
        found += [("POST", f"/new/{entity}/csv"), ("POST", f"/new/{entity}/csv/add")]
    for action in ("lend_again", "lend_without_more"):
        found += [("GET", f"/do/{action}"), ("POST", f"/do/{action}")]
    found += [("GET", "/story"), ("GET", "/tell"), ("POST", "/tell")]
    return [*found, ("GET", "/openapi.json"), ("GET", "/new-route"), ("PATCH", "/data/tool")]


SEEN_BY_ALL = r"GET (/|/telemetry|/openapi.json|/(panels|data|outputs|records)/.*(?<!/remove))"
ALLOWED = {
    "Guest": SEEN_BY_ALL,
    "Neighbour": r"GET (/|/panels/tools|/(data|records)/(tool|wish)(/x|\.csv)?)"
    r"|(GET|POST) /new/wish.*|GET /(records/wish/x/remove|do/lend_again)"
    r"|(POST|PUT|DELETE) /(data|records)/wish.*|POST /(do|actions)/lend_again",
    "Keeper": r"GET (/|/(data|records|new)/.*|/do/lend_again)"
    r"|(POST|PUT|DELETE) /(data|records)/.*"
    r"|POST /((do|actions)/lend_again|run/lending|new/.*)",
}
BY_ALL = r"(GET|POST) /tell|GET /story"


@table("role", ["", *ALLOWED])
def test_role_reaches_its_own_routes_and_no_other(street: Street, role: str) -> None:
    with street.signed_in(role, JSON) if role else street.client(JSON) as client:
        for method, path in requests():
            answer = client.request(method, path)
            is_allowed = bool(
                role and re.fullmatch(f"{ALLOWED[role]}|{BY_ALL}", f"{method} {path}")
            )
            assert (answer.status_code != 403) == is_allowed, (method, path, answer.text)
        assert client.get("/health").status_code == 200
        for path in ("/health%3Fx", "/%3F/data/loan", "//data/loan", "/sign-in"):
            assert client.get(path).status_code == 403


def test_pages_show_a_person_only_what_is_theirs(street: Street) -> None:
    with street.signed_in("Neighbour") as client:
        home = client.get("/").text
        assert {*re.findall(r'href="(/[a-z]+/[a-z_]+)"', home)} == {
            *("/panels/tools", "/records/wish")
        }
        assert "Lend again" in home
        assert "Lend without more" not in home
        assert "A Neighbour" in home
        # The wish refers to a neighbour, whose records this role does not see.
        form = client.get("/new/wish").text
        assert "Drill" in form
        assert "Zoe" not in form
        assert '<input id="f-neighbour"' in form
        shown = client.get("/records/tool/Drill").text
        assert "<fieldset disabled>" in shown
        assert "Save" not in shown
        assert "/new/tool" not in client.get("/records/tool").text
        refused = client.get("/records/loan")
        assert refused.status_code == 403
        assert "Your role, Neighbour, does not include this." in refused.text
        assert 'href="/"' in refused.text


def test_reports_leave_out_what_a_role_does_not_see(street: Street) -> None:
    with street.harness() as harness, street.signed_in("Neighbour", JSON) as client:
        harness.post("/data/wish", json={"id": "w0", "tool": "Drill", "neighbour": "Zoe"})
        assert "Zoe" in [one["neighbour"] for one in harness.get("/data/loan").json()["records"]]
        assert harness.post("/actions/lend_again").json()["outputs"].keys() == {"lent"}
        panels = client.get("/").json()["panels"]
        assert [one["id"] for one in panels] == ["tools"]
        assert client.post("/actions/lend_again").json()["outputs"] == {}


def test_link_signs_in_once_and_a_preview_does_not_use_it_up(street: Street) -> None:
    link = street.invite("Ann", "Guest")
    with street.client() as ann, street.client() as thief:
        for _ in range(2):
            assert "Sign in as Ann" in ann.get(link).text
        answer = ann.post(link, follow_redirects=False)
        cookie = answer.headers["set-cookie"]
        assert answer.headers["location"] == "/"
        port = street.url.rpartition(":")[2]
        assert cookie.startswith(f"session_{port}=")
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=2592000"} <= {*cookie.split("; ")}
        assert ann.get("/").status_code == 200
        for again in (thief.get(link), thief.post(link), thief.get("/sign-in/guessed")):
            assert again.status_code == 403
            assert "used already" in again.text
        stored = (street.state / "people.json").read_text()
        session = cookie.partition("=")[2].partition(";")[0]
        assert link.rpartition("/")[2] not in stored
        assert session not in stored
        assert "You are signed out." in ann.post("/sign-out").text
        thief.cookies.set(f"session_{port}", session)
        assert thief.get("/").status_code == 403


def test_new_link_ends_the_former_one_and_no_session(street: Street) -> None:
    with street.client() as client, street.client() as other:
        assert client.post(street.invite("Flo", "Guest")).status_code == 200
        former, new = street.invite("Flo", "Guest"), street.invite("Flo", "Guest")
        assert other.post(former).status_code == 403
        assert other.post(new).status_code == 200
        assert client.get("/").status_code == 200


def test_secure_cookie_is_set_behind_https_only(tmp_path: Path) -> None:
    street = Street(tmp_path)
    with street.serving(APP_HOSTS="tools.example"), street.client() as client:
        origin = {"host": "tools.example", "origin": "https://tools.example"}
        answer = client.post(street.invite("Ann", "Guest"), headers=origin, follow_redirects=False)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-session=")
        assert {"Secure", "Path=/"} <= {*cookie.split("; ")}
        assert "domain" not in cookie.lower()
        sent = {"host": "tools.example", "cookie": cookie.partition(";")[0]}
        assert client.get("/", headers=sent).status_code == 200


def test_session_and_link_end_by_time_removal_and_lost_role(tmp_path: Path) -> None:
    street = Street(tmp_path)
    expired = street.invite("Eve", "Guest", clock="2026-01-01")
    links = [street.invite(name, "Guest", clock="2026-11-20") for name in ("Ann", "Bob")]
    with street.serving(APP_CLOCK="2026-11-26"), street.client() as ann, street.client() as bob:
        assert ann.post(expired).status_code == 403
        for client, link in zip((ann, bob), links, strict=True):
            assert client.post(link).status_code == 200
        assert street.run("remove", "Ann") == {"removed": "Ann"}
        assert ann.get("/").status_code == 403
        assert bob.get("/").status_code == 200
        people = street.run("people", clock="2026-11-26")
        assert [(one["name"], one["sessions"]) for one in people] == [("Eve", 0), ("Bob", 1)]
    with street.serving(APP_CLOCK="2026-12-27"):
        assert httpx.get(street.url, cookies=dict(bob.cookies)).status_code == 403
    cookie = f"session_{{}}={next(iter(bob.cookies.values()))}"
    write_app(read_morph({"type": "add_role", "name": "Other"}).apply(LENDING), street.tree)
    with street.serving(APP_CLOCK="2026-11-27"):
        sent = cookie.format(street.url.rpartition(":")[2])
        answer = httpx.get(street.url, headers={**PAGE, "cookie": sent})
        assert answer.status_code == 403
        assert "Your role is no longer part of this app." in answer.text


INVALID = {
    "role": (("Ann", "--role", "King"), "unknown role 'King'; roles: Guest, Neighbour, Keeper"),
    "lines": (("Ann\nBob", "--role", "Guest"), "a name has 1 to 80 characters in one line"),
    "blank": ((" ", "--role", "Guest"), "a name has 1 to 80 characters in one line"),
    "long": (("A" * 81, "--role", "Guest"), "a name has 1 to 80 characters in one line"),
    "days": (("Ann", "--role", "Guest", "--days", "0"), "a link holds for 1 to 365 days"),
}


@table("case", INVALID)
def test_invalid_invitation_is_refused(street: Street, case: str) -> None:
    words, fault = INVALID[case]
    assert fault in street.run("invite", *words, code=1)


def test_name_with_markup_is_shown_as_text(street: Street) -> None:
    link = street.invite("<script>alert(1)</script>", "Guest")
    with street.client() as client:
        for page in (client.get(link).text, client.post(link).text):
            assert "<script" not in page
            assert "&lt;script&gt;" in page


OTHERS: Mapping[str, Mapping[str, str]] = {
    "origin": {"origin": "https://evil.example"},
    "no origin": {"origin": "null"},
    "site": {"sec-fetch-site": "cross-site"},
    "other port": {"sec-fetch-site": "same-site"},
}


@table("other", OTHERS)
def test_page_of_another_site_uses_no_session_and_no_link(street: Street, other: str) -> None:
    link = street.invite("Kay", "Keeper")
    with street.client() as client:
        assert client.post(link, headers=OTHERS[other]).status_code == 403
        assert client.post(link).status_code == 200
        for path in ("/run/lending", "/do/lend_again", "/records/tool", "/sign-out"):
            assert client.post(path, headers=OTHERS[other]).status_code == 403
        assert client.get("/").status_code == 200


FORGED: Mapping[str, Mapping[str, str]] = {
    "proxy": {"x-forwarded-user": "ann"},
    "session": {"cookie": "__Host-session=guessed; session=guessed"},
    "empty session": {"cookie": "__Host-session="},
    "hash as key": key_header(hash_of_key(KEY)),
    "empty key": {"authorization": "Bearer"},
}


@table("forged", FORGED)
def test_forged_header_gives_no_role(street: Street, forged: str) -> None:
    with street.client({**JSON, **FORGED[forged]}) as client:
        assert client.get("/data/tool").status_code == 403


@table("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1"])
def test_other_host_name_is_refused_with_a_key_too(street: Street, host: str) -> None:
    with street.harness() as harness:
        answer = harness.get("/data/tool", headers={"host": f"{host}:80"})
        assert answer.status_code == 421
        assert "host name" in answer.json()["error"]


def test_app_without_roles_refuses_other_hosts_and_nothing_else(tmp_path: Path) -> None:
    tree = write_with_bodies(LENDING, tmp_path / "tree", BODIES)
    with command(tree) as (_, url):
        assert httpx.get(f"{url}/data/tool").status_code == 200
        assert httpx.get(f"{url}/data/tool", headers={"host": "evil.example"}).status_code == 421
        assert httpx.get(f"{url}/sign-in/x").status_code == 404


def test_proxy_names_the_user_in_the_header_of_the_settings(tmp_path: Path) -> None:
    street = Street(tmp_path)
    users = json.dumps({"ann": "Keeper", "eve": "King"})
    link = street.invite("Ann", "Guest")
    with (
        street.serving(APP_USER_HEADER="X-User", APP_USERS=users, APP_HOSTS="tools.example"),
        street.client({**PAGE, "host": "tools.example"}) as client,
    ):
        assert client.get("/records/loan", headers={"x-user": "ann"}).status_code == 200
        assert client.get("/panels/tools", headers={"x-user": "ann"}).status_code == 403
        assert "no longer part" in client.get("/", headers={"x-user": "eve"}).text
        for headers in ([], [("x-user", "bob")], [("x-user", "ann"), ("x-user", "ann")]):
            answer = client.get("/", headers=headers)
            assert answer.status_code == 403
            assert "You are not one of the people of this app." in answer.text
        assert client.post(link).status_code == 403


def test_proxy_in_front_of_an_app_without_roles_lets_only_known_users_in(tmp_path: Path) -> None:
    tree = write_with_bodies(LENDING, tmp_path / "tree", BODIES)
    key = {KEY_HASH: hash_of_key(KEY)}
    with command(tree, APP_USER_HEADER="X-User", APP_USERS='{"ann": "Keeper"}', **key) as (_, url):
        sent: dict[Any, int] = {("x-user", "ann"): 200, ("x-user", "bob"): 403, ("x", "ann"): 403}
        for header, status in [*sent.items(), (*key_header(KEY).items(), 200)]:
            assert httpx.get(f"{url}/data/tool", headers=[header]).status_code == status
        assert httpx.get(f"{url}/health").status_code == 200


DAMAGED = (
    *["", "{", "[1]", '{"a": 1}', '[{"name": "Ann"}]', "[" * 100_000],
    '[{"name": "Ann", "role": "guest", "sessions": []}]',
    '[{"name": "Ann", "role": "guest", "sessions": {"x": 1}}]',
    '[{"name": "Ann", "role": "guest", "invited_until": "2026-11-26"}]',
)


def test_damaged_file_of_people_is_named_and_kept(tmp_path: Path) -> None:
    street = Street(tmp_path)
    file = street.state / "people.json"
    with street.serving(), street.client() as client:
        client.post(street.invite("Ann", "Guest"))
        assert file.stat().st_mode & 0o777 == 0o600
        for text in DAMAGED:
            file.write_text(text)
            answer = client.get("/")
            assert answer.status_code == 500
            assert "people.json is damaged: stop the app, and restore its state" in answer.text
    assert "people.json is damaged" in street.run("invite", "Bob", "--role", "Guest", code=1)
    assert file.read_text() == DAMAGED[-1]


def test_role_is_found_by_its_name_before_the_id_of_another_one(tmp_path: Path) -> None:
    street = Street(tmp_path)
    named = new_node(with_roles(), "keeper", "role", id_="warden")
    graph = add_child(with_roles(), "interface", named)
    changed = read_morph({"type": "add_role", "name": "keeper", "edits": ["Tool"]}).apply(graph)
    assert changed["keeper"] == graph["keeper"]
    assert changed["warden"].targets(Relation.EDITS)
    write_app(changed, street.tree)
    for role, label in (("keeper", "keeper"), ("warden", "keeper"), ("guest", "Guest")):
        assert street.run("invite", "Ann", "--role", role)["role"] == label


def test_pages_of_people_have_no_violation_of_axe(street: Street) -> None:
    link = street.invite("Ann with a long name " * 3, "Neighbour")
    looks: tuple[tuple[int, Literal["dark", "light"]], ...] = ((390, "dark"), (1440, "light"))
    with browser() as started:
        for width, scheme in looks:
            page = started.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            for path in (link, "/sign-in/guessed", "/"):
                page.goto(f"{street.url}{path}")
                require_look(page)
            page.goto(f"{street.url}{street.invite('Ann ' * 20, 'Neighbour')}")
            page.get_by_role("button").click()
            for path in ("/", "/records/tool/Drill", "/new/wish", "/panels/wishes"):
                page.goto(f"{street.url}{path}")
                require_look(page)
                if PICTURES:
                    name = path.replace("/", "-")
                    page.screenshot(path=f"{PICTURES}/people{name}-{width}.png", full_page=True)
            page.get_by_role("button", name="Sign out").click()
            require_look(page)
            assert "You are signed out." in page.get_by_role("main").inner_text()
            page.close()


@pytest.mark.anyio
async def test_harness_gives_the_app_only_a_hash_of_its_key(tmp_path: Path) -> None:
    probe = (
        "return Panel(open('/proc/self/environ').read() + repr(__import__('os').environ), 1, [])"
    )
    bodies = {**BODIES, "panels/tools": probe}
    tree = write_with_bodies(with_roles(), tmp_path / "tree", bodies)
    async with (
        running_app(tree, tmp_path / "state") as app,
        httpx.AsyncClient(base_url=app.url, headers={**JSON, **app.headers}) as client,
    ):
        seen = (await client.get("/panels/tools")).json()["title"]
        key = app.headers["authorization"].removeprefix("Bearer ")
        assert hash_of_key(key) in seen
        assert key not in seen
