"""A candidate beside the version before the change, and on the files that this version wrote."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from attractor.engine.outcome import Culprit
from attractor.scenarios.evaluation import TrialTrouble
from tests.needs import needs_sandbox
from tests.scenarios.suites import write_files
from tests.scenarios.test_live_services import make_player, reasons
from tests.scenarios.test_play import scenario

SERVICE = """
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
os.makedirs("data", exist_ok=True)

class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        open("data/names", "a").write(self.path[1:] + "\\n")
        self.do_GET()
    def do_GET(self):
        try:
            names = open("data/names").read().split()
        except OSError:
            names = []
        self.send_response(200)
        self.end_headers()
        self.wfile.write(",".join(names).encode())
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", 8000), Service).serve_forever()
"""
SORTED = SERVICE.replace("join(names)", "join(sorted(names))")
FORGETS = SERVICE.replace("data/names", "data/new-names")
# It searches the other one, by its files and by its ports.
SPIES = SERVICE.replace("import os, sys", "import glob, os, socket").replace(
    "        try:\n",
    """        for port in range(8001, 8004):
            assert socket.socket().connect_ex(("127.0.0.1", port)) != 0
        found = {*glob.glob("../*/service.py"), *glob.glob("/proc/[0-9]*/cwd/service.py")}
        assert all("glob" in open(file).read() for file in found), found
        try:
""",
)
COMPARE = """#!/usr/bin/env python3
import os, sys, urllib.request
def said(name):
    with urllib.request.urlopen(os.environ["BASE_URL_" + name] + "/", timeout=10) as answer:
        return answer.read().decode()
print("new:", said("new"), "old:", said("old"))
sys.exit(said("new") != said("old"))
"""
NEW = {"name": "new", "service": "exec python3 service.py", "port": 8000, "ready": "20s"}
OLD = {**NEW, "name": "old", "of": "base"}


def book(name: str, **more: Any) -> dict[str, Any]:
    path = f"/{name.removeprefix('old-')}"
    return {"name": name, "port": 8000, "method": "POST", "path": path, **more}


BESIDE = [
    *(OLD, book("old-b", of="base"), book("old-a", of="base")),
    *(NEW, book("b"), book("a")),
]
UPGRADE = [
    *(OLD, book("old-bea", of="base"), book("old-ann", of="base")),
    *({**NEW, "from": "base", "state": ["data"]}, {"name": "look", "port": 8000}),
]
SAME = {"kind": "probe", "program": "compare"}
KEPT = {"kind": "http", "step": "look", "equals": "bea,ann"}
pytestmark = needs_sandbox


def judge(
    tmp_path: Path,
    service: str,
    steps: list[dict[str, Any]],
    check: dict[str, Any],
    *,
    base: str = SERVICE,
    program: str = COMPARE,
) -> str:
    """Judge a candidate beside a base; return why it failed, or ""."""
    older = write_files(tmp_path / "older", {"service.py": base})
    outside = write_files(tmp_path / "outside", {"names": "Own"})
    copy = write_files(tmp_path / "copies" / "copy", {"service.py": service})
    (copy / "data").symlink_to(outside)

    async def write_base(to: Path) -> None:
        shutil.copytree(older, to, dirs_exist_ok=True)

    player = replace(make_player(tmp_path, {"compare": program}), base=write_base)
    try:
        return reasons(asyncio.run(player.play(scenario(steps, [check]), copy)))
    finally:
        assert [one.name for one in copy.parent.iterdir()] == ["copy"]
        assert (outside / "names").read_text() == "Own"


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (SERVICE, ""),
        (SORTED, "probe compare ended with 1: new: a,b old: b,a"),
        (SPIES, ""),
    ],
    ids=["right", "wrong", "spies"],
)
def test_a_probe_compares_the_two_versions_which_do_not_see_each_other(
    tmp_path: Path, service: str, words: str
) -> None:
    found = judge(
        tmp_path,
        service.replace('makedirs("data"', 'makedirs("own"').replace("data/", "own/"),
        BESIDE,
        SAME,
    )
    assert words in found if words else not found, found


NAMES = """#!/usr/bin/env python3
import os, urllib.request
for name in ("a", "b", "new"):
    with urllib.request.urlopen(os.environ[f"BASE_URL_{name}"] + "/name", timeout=10) as answer:
        assert answer.read().decode().strip() == name, name
"""


@pytest.mark.parametrize("ports", [(8000, 8001, 8000), (65534, 65535, 65534)])
def test_a_probe_reaches_each_service_of_both_versions_by_its_name(
    tmp_path: Path, ports: tuple[int, int, int]
) -> None:
    steps: list[dict[str, Any]] = []
    for name, port in zip(("a", "b", "new"), ports, strict=True):
        version = "candidate" if name == "new" else "base"
        start = f"exec python3 -m http.server --bind 127.0.0.1 --directory {name} {port}"
        steps += [
            {"name": f"{name}-file", "run": f"mkdir {name}; echo {name} >{name}/name"},
            {"name": name, "service": start, "port": port, "ready": "20s"},
        ]
        for step in steps[-2:]:
            step["of"] = version
    assert not judge(tmp_path, SERVICE, steps, SAME, program=NAMES)


@pytest.mark.parametrize(
    ("service", "words"),
    [(SERVICE, ""), (FORGETS, "step look"), (SORTED, "step look")],
    ids=["right", "forgets", "sorts"],
)
def test_the_candidate_opens_what_the_version_before_wrote(
    tmp_path: Path, service: str, words: str
) -> None:
    found = judge(tmp_path, service, UPGRADE, KEPT)
    assert words in found if words else not found, found


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("import sys; sys.exit(3)", "the base: step old: the service ended with 3"),
        (SERVICE.replace('"data/names"', '"other"').replace('"data"', '"more"'), "no data"),
    ],
)
def test_a_base_that_fails_is_no_fault_of_the_candidate(
    tmp_path: Path, base: str, words: str
) -> None:
    with pytest.raises(TrialTrouble, match=words) as caught:
        judge(tmp_path, SERVICE, UPGRADE, KEPT, base=base)
    assert caught.value.culprit is Culprit.SUITE


def copy_data(tmp_path: Path, command: str, expected: str) -> str:
    """Let the base write `data` by a command; return what is wrong with the candidate's, or ""."""
    write = {"name": "write", "run": command, "of": "base"}
    start = {**NEW, "from": "base", "state": ["data"]}
    look = {"name": "look", "run": "find data -printf '%y %p\\n' | sort"}
    listed = {"kind": "stdout", "step": "look", "equals": expected}
    return judge(tmp_path, SERVICE.replace("data", "own"), [write, start, look], listed)


def test_the_candidate_gets_files_and_empty_folders_but_no_links_or_sockets(tmp_path: Path) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('socket')"
    command = f'mkdir -p data/queue; cd data; touch file; python3 -c "{bind}"; ln -s /etc folder'
    expected = "d data\nd data/queue\nf data/file"
    assert not copy_data(tmp_path, f"{command}; mkfifo pipe; ln -s file link", expected)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("mkdir data; truncate -s 67108865 data/large", "more than 1000 files"),
        ("truncate -s 67108865 data", "more than 1000 files"),
        ("mkdir data; cd data; mkdir $(seq 1000)", "more than 1000 files"),
        ("mkdir -p data/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "more than 15 folders"),
    ],
)
def test_state_is_copied_whole_or_not_at_all(tmp_path: Path, command: str, words: str) -> None:
    with pytest.raises(TrialTrouble, match=words):
        copy_data(tmp_path, command, "")


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([OLD, {**NEW, "from": "base"}], "belong together"),
        ([OLD, {**OLD, "name": "new", "from": "base", "state": ["data"]}], "belong together"),
        ([OLD, {"name": "again", "kill": "old"}], "service 'old' of the candidate"),
    ],
)
def test_steps_that_make_no_sense_are_refused(steps: list[dict[str, Any]], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        scenario(steps)
