"""One suite judges a service with letters, quotas and stored data: a right one and wrong ones.

The version before books places, without a quota, in other files, on a page that some cannot use.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

from attractor.factory.open_project import OpenProject
from attractor.factory.registration.register_suite import register_suite
from tests.needs import needs_sandbox
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.scenarios.suites import write_files
from tests.scenarios.test_browser import needs_chromium
from tests.scenarios.test_captures import MAIL

RIGHT = '''
import json, os, secrets, signal, smtplib, threading, time
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE, MOST, LOCK = "data/bookings.json", 2, threading.Lock()
CODES, TOKENS = {}, {}
PAGE = """<!doctype html><html lang=en><title>Places</title>
<meta name=viewport content="width=device-width"><main><h1>Places</h1>
<form><label>Place <input name=place></label> <button>Book</button></form></main></html>"""


def load():
    stored = json.load(open(FILE)) if os.path.exists(FILE) else {}
    # Version 1 stored users by place.
    rows = stored.get("rows", [*stored.items()])
    return {place: user for place, user in rows}


def store():
    os.makedirs("data", exist_ok=True)
    with open("new", "w") as file:
        json.dump({"rows": [*BOOKED.items()]}, file)
    os.replace("new", FILE)


def send(user, code):
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "app@x.example", user, "Your code"
    letter.set_content(f"Your code is {code}.")
    with smtplib.SMTP("127.0.0.1", int(os.environ["MAIL_SMTP_PORT"])) as post:
        post.send_message(letter)


def book(place, user):
    with LOCK:
        if place in BOOKED:
            return 409
        if [*BOOKED.values()].count(user) >= MOST:
            return 403
        BOOKED[place] = user
        store()
        return 201


class Service(BaseHTTPRequestHandler):
    @property
    def user(self):
        return TOKENS.get((self.headers["authorization"] or "").removeprefix("Bearer "))

    def do_POST(self):
        kind, name = self.path.split("/")[1:3]
        if kind == "codes":
            code = secrets.token_hex(8)
            CODES[code] = name
            send(name, code)
            self.answer(202)
        elif kind == "sessions":
            user, token = CODES.pop(name, None), secrets.token_hex(8)
            TOKENS[token] = user
            self.answer(201, token) if user else self.answer(403)
        else:
            self.answer(book(name, self.user) if self.user else 401)

    def do_GET(self):
        user = BOOKED.get(self.path.rpartition("/")[2])
        if self.path == "/":
            self.answer(200, PAGE, "text/html")
        elif self.path == "/me":
            self.answer(200 if self.user else 401, self.user or "")
        else:
            self.answer(200 if user else 404, user or "")

    def answer(self, status, text="", kind="text/plain"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 100


BOOKED = load()
Server(("127.0.0.1", 8000), Service).serve_forever()
'''


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


ROWS = 'json.dump({"rows": [*BOOKED.items()]}, file)'
TAKEN = "    with LOCK:\n        if place in BOOKED:\n            return 409\n"
STORE = "        store()\n"
BEFORE = changed(
    RIGHT,
    ('MOST, LOCK = "data/bookings.json", 2', 'MOST, LOCK = "data/bookings.json", 99'),
    (ROWS, "json.dump(BOOKED, file)"),
    ("<label>Place <input name=place></label>", "<input name=place>"),
    ('stored.get("rows", [*stored.items()])', "stored.items()"),
)
FORWARDS = (
    'user = BOOKED.get(self.path.rpartition("/")[2])',
    """user = None
        for port in (8001, 8002):
            try:
                import urllib.request
                user = urllib.request.urlopen(f"http://127.0.0.1:{port}{self.path}").read().decode()
            except OSError:
                pass""",
)
NARROW = "<style>@media (max-width: 500px) { button { display: none } }</style><main>"
WRONG: dict[str, tuple[str, tuple[str, str]]] = {
    "any-token": ("sign-in", ('.removeprefix("Bearer "))', '.removeprefix("Bearer "), "bea")')),
    "any-code": ("sign-in", ("CODES.pop(name, None)", 'CODES.pop(name, "ann")')),
    "code-twice": ("sign-in", ("CODES.pop(name, None)", "CODES.get(name)")),
    "no-quota": ("quota", ("count(user) >= MOST", "count(user) >= 99")),
    "one-more": ("quota", ("count(user) >= MOST", "count(user) > MOST")),
    "races": ("rush", (TAKEN, TAKEN.replace("with LOCK", "if LOCK") + "        time.sleep(0.1)\n")),
    "unstored": ("crash", (STORE, "")),
    "stored-late": ("crash", (STORE, "        threading.Timer(9, store).start()\n")),
    "forgets": ("upgrade", ('stored.get("rows", [*stored.items()])', 'stored.get("rows", [])')),
    "forwards": ("upgrade", FORWARDS),
    "narrow": ("page", ("<main>", NARROW)),
    "unlabeled": ("page", ("<label>Place <input name=place></label>", "<input name=place>")),
}

Table = dict[str, Any]


def inline(value: Any) -> str:
    match value:
        case dict():
            pairs = [
                f"{json.dumps(key)} = {inline(one)}" for key, one in cast(Table, value).items()
            ]
            return f"{{{', '.join(pairs)}}}"
        case list():
            return f"[{', '.join(map(inline, cast('list[Any]', value)))}]"
        case _:
            return json.dumps(value)


def toml(table: Table) -> str:
    return "\n".join(f"{key} = {inline(value)}" for key, value in table.items())


SERVE: Table = {"name": "serve", "service": "exec python3 service.py", "port": 8000, "ready": "20s"}


def ask(name: str, method: str, path: str, **more: Any) -> Table:
    return {"name": name, "port": 8000, "method": method, "path": path, **more}


def sign_in(who: str, **of: Any) -> list[Table]:
    """Ask for a code, take it from the letter, and take the token."""
    code, token = {who: r"pattern:code is (\w+)"}, {f"{who}_token": "pattern:.+"}
    return [
        ask(f"ask-{who}", "POST", f"/codes/{who}", **of),
        {"name": f"letter-{who}", "received": "mail", "body": {"$.to": [who]}, "take": code, **of},
        ask(f"enter-{who}", "POST", f"/sessions/${{{who}}}", take=token, **of),
    ]


def as_(who: str) -> Table:
    return {"headers": {"authorization": f"Bearer ${{{who}_token}}"}}


def book(name: str, place: int, who: str, **more: Any) -> Table:
    return ask(name, "POST", f"/places/{place}", **as_(who), **more)


def is_(step: str, status: int, text: str | None = None) -> Table:
    wanted = {} if text is None else {"equals": text}
    return {"kind": "http", "step": step, "status": status, **wanted}


def scenario(name: str, baseline: str, steps: list[Table], checks: list[Table]) -> str:
    head = {"id": name, "title": name, "story": f"Ann: {name}.", "baseline": baseline}
    return toml({**head, "steps": steps, "checks": checks})


BASE = {"of": "base"}
OLD = {**SERVE, "name": "old", **BASE}
NEW = {**SERVE, "from": "base", "state": ["data"]}
HOLDOUTS = {
    "sign-in": scenario(
        "sign-in",
        "pass",
        [
            *(SERVE, *sign_in("ann"), ask("me", "GET", "/me", **as_("ann"))),
            ask("again", "POST", "/sessions/${ann}"),
            ask("made-up", "POST", "/sessions/made-up"),
            ask("nobody", "GET", "/me", headers={"authorization": "Bearer made-up"}),
        ],
        [is_("me", 200, "ann"), is_("again", 403), is_("made-up", 403), is_("nobody", 401)],
    ),
    "quota": scenario(
        "quota",
        "fail",
        [SERVE, *sign_in("ann"), *(book(f"book-{one}", one, "ann") for one in (1, 2, 3))],
        [is_("book-1", 201), is_("book-2", 201), is_("book-3", 403)],
    ),
    "rush": scenario(
        "rush",
        "pass",
        [
            *(SERVE, *sign_in("ann")),
            book("rush", 1, "ann", repeat=50, at_once=50, statuses={"201": 1, "409": 49}),
            ask("look", "GET", "/places/1"),
        ],
        [is_("look", 200, "ann")],
    ),
    "crash": scenario(
        "crash",
        "pass",
        [
            *(SERVE, *sign_in("ann"), book("book", 1, "ann"), {"name": "crash", "kill": "serve"}),
            ask("look", "GET", "/places/1"),
        ],
        [is_("look", 200, "ann")],
    ),
    "upgrade": scenario(
        "upgrade",
        "fail",
        [
            *(OLD, *sign_in("ann", **BASE), book("old-7", 7, "ann", **BASE)),
            *(NEW, *sign_in("bea"), ask("look", "GET", "/places/7")),
            *(book("taken", 7, "bea"), book("book-8", 8, "bea"), book("book-9", 9, "bea")),
            book("book-10", 10, "bea"),
        ],
        [is_("look", 200, "ann"), is_("taken", 409), is_("book-9", 201), is_("book-10", 403)],
    ),
    "page": scenario(
        "page",
        "fail",
        [SERVE],
        [
            {"kind": "browser", "port": 8000, "selector": "button", "contains": "Book"}
            | {"viewports": [390, 768, 1440], "accessible": True, "timeout": "5s"}
        ],
    ),
}


def diff(project: Path, before: str, after: str) -> str:
    (project / "service.py").write_text(before)
    git(project, "add", "service.py")
    (project / "service.py").write_text(after)
    made = git(project, "diff")
    git(project, "reset", "--quiet", "--hard")
    return made


@needs_sandbox
@needs_chromium
def test_each_wrong_service_is_noticed_by_the_scenario_that_names_it(tmp_path: Path) -> None:
    said: list[str] = []
    project = make_project(tmp_path / "project", **{"service.py": BEFORE})
    opened = adjusted(open_project(project), tell=said.append)
    wrong = [{"id": name, "on": "quota", "noticed_by": [by]} for name, (by, _) in WRONG.items()]
    settings = {
        **{"name": "booking", "pipeline": "linear", "trials": {"concurrency": "cores"}},
        **{"twins": [{"name": "mail"}], "wrong": wrong},
    }
    suite = write_files(
        tmp_path / "suite",
        {
            "suite.toml": toml(settings),
            **{
                f"reference/{name}.patch": diff(project, BEFORE, RIGHT)
                for name in ("quota", "upgrade", "page")
            },
            **{f"holdout/{name}.scenario.toml": text for name, text in HOLDOUTS.items()},
            **{
                f"wrong/{name}.patch": diff(project, RIGHT, changed(RIGHT, change))
                for name, (_, change) in WRONG.items()
            },
        },
    )
    write_files(tmp_path, {"_twins/mail/twin.toml": MAIL})
    registering = register_suite(suite, OpenProject(opened), sandbox="bubblewrap", by="ann")
    registered = asyncio.run(registering)
    noticed = [f"wrong solution {name}: noticed by {by}: " for name, (by, _) in WRONG.items()]
    found = [one for one in registered.measured if one.startswith("wrong solution")]
    assert not [one for one, words in zip(found, noticed, strict=True) if words not in one]
