"""The smallest app that satisfies the contract: it has the fields of its specification."""

APP = """
import json, os, pathlib, signal, sqlite3, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NODES = pathlib.Path("spec/nodes")
STATE = pathlib.Path(os.environ["APP_STATE"])
SHAPE = {one.stem: set() for one in NODES.glob("entity/*.json")}
for one in NODES.glob("field/*.json"):
    entity, _, field = one.stem.partition(".")
    SHAPE[entity].add(field)


def base():
    base = sqlite3.connect(STATE / "state.sqlite", isolation_level=None)
    columns = "(entity, id, record, PRIMARY KEY (entity, id))"
    base.execute(f"CREATE TABLE IF NOT EXISTS records {columns}")
    return base


def put(entity, record):
    if set(record) - {"id"} - SHAPE[entity]:
        raise SystemExit(f"{entity} has other fields: {record}")
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    base().execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (entity, record["id"], text))


def records(entity):
    query = "SELECT record FROM records WHERE entity = ? ORDER BY id"
    return [row[0] for row in base().execute(query, (entity,))]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.answer({"ok": True, "built": pathlib.Path("app/built.txt").read_text()})
        entity = self.path.rpartition("/")[2]
        self.answer({"records": [json.loads(one) for one in records(entity)]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/data/"):
            put(self.path.split("/")[2], json.loads(body))
        else:
            with (STATE / "ran").open("a") as file:
                file.write(self.path)
        self.answer({})

    def answer(self, value):
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass


command, *words = sys.argv[1:]
if command == "export":
    folder = pathlib.Path(words[0])
    folder.mkdir(exist_ok=True)
    for entity in SHAPE:
        (folder / f"{entity}.jsonl").write_text("".join(one + "\\n" for one in records(entity)))
elif command == "import":
    for file in pathlib.Path(words[0]).glob("*.jsonl"):
        for line in file.read_text().splitlines():
            put(file.stem, json.loads(line))
elif command == "health":
    pathlib.Path("app/built.txt").read_text()
else:
    server = ThreadingHTTPServer(("127.0.0.1", int(words[1])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
"""
