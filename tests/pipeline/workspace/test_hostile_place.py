"""A place whose programs lie: none of its answers changes a file outside of the workspace here."""

import asyncio
import os
import re
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.engine.outcome import StageStatus
from attractor.environments import remote
from attractor.environments.errors import PlaceRefused, RemoteLost
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.place import check_place
from tests.counts import count
from tests.environments.remotes import ssh_server
from tests.pipeline.projects import make_project, open_project
from tests.pipeline.workspace.test_place import place_of, run_in
from tests.workspaces.test_place_files import ESCAPES, HOSTILE, archive

PIPELINE = """
digraph hostile {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [shape=parallelogram, tool_command="echo 1 > a; cp LATER/* PROGRAMS; true"]
    start -> make -> exit
}
"""
PROGRAM = """#!/bin/sh
if [ -e $0.answer ]; then case $* in -x*) ;; *) cat $0.answer; exit 0 ;; esac; fi
exec /usr/bin/NAME "$@"
"""
# It knows the mark, so it can answer each call of the harness.
SHELL = r"""#!/usr/bin/python3 -IS
import os, re, sys, time

answer = sys.argv[0] + ".answer"
def be_silent():
    while os.path.exists(answer):
        time.sleep(0.1)
if not os.path.exists(answer):
    os.execv("/bin/sh", sys.argv)
function, word, said = open(answer, "rb").read().split(b" ", 2)
if sys.argv[2].startswith("echo;") and function == b"connect":
    be_silent()
if not sys.argv[2].startswith("IFS="):
    os.execv("/bin/sh", sys.argv)
line = b""
while not line.endswith(b"\n"):
    line += os.read(0, 1) or sys.exit(1)
script = re.sub(r"\\(.)", lambda one: one[1].replace("n", "\n"), line[:-1].decode())
if script.rpartition("\n}\n")[2].split()[0] == function.decode():
    if word == b"silent":
        be_silent()
    mark = b"\0" + script[6:38].encode() + b" " + word + b"\n"
    os.write(1, said + mark)
    os.write(2, said + mark)
else:
    os.execv("/bin/sh", ["sh", "-c", script])
"""
NAMES = ("tar", "stat", "find", "date", "git", "head", "xargs", "grep", "df", "uname", "setsid")
FUNCTIONS = ("describe", "examine", "list_tree", "unpack", "run", "pack", "kill_marked")
REFUSED = "PlaceRefused: |hostile cannot be run: --place box: "
Answers = Mapping[str, bytes]


def listed(path: bytes, mode: bytes = b"81a4", size: int = 1) -> bytes:
    return b"%s %d 5 5 ./%s//\n" % (mode, size, path)


def sent(path: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    return archive((os.fsdecode(path), kind, "x"))


def hostile_answers(outside: Path) -> Iterator[tuple[str, bool, Answers]]:
    """Yield answers of programs, and whether they lie from the beginning."""
    paths = [path for path in ESCAPES if b"\0" not in path]
    paths += [bytes(outside / "new"), b"../outside/new", b"line\nbreak", b"a\n81a4 1 5 5 ./../new"]
    paths += [b".git", b".git/config", b".git/hooks/post-checkout", b".GIT/config", b"git~1/config"]
    for path in paths:
        yield f"path {path[:20]!r}", False, {"stat": listed(path), "tar": sent(b"./" + path)}
    for number, one in enumerate(HOSTILE):
        yield f"archive {number}", False, {"stat": listed(b"a"), "tar": one}
    modes = (b"89ed", b"85ed", b"83ff", b"a1ff", b"61b0", b"21b0", b"11a4", b"c1ed", b"41ed", b"0")
    for mode in modes:
        yield f"mode {mode!r}", False, {"stat": listed(b"a", mode), "tar": sent(b"./a")}
    for target in (b"..", bytes(outside), b"/etc/passwd", b"a"):
        link = archive(("./a", tarfile.SYMTYPE, os.fsdecode(target)))
        below = archive(("./a/new", tarfile.REGTYPE, "x"))
        yield f"link {target!r}", False, {"stat": listed(b"a", b"a1ff"), "tar": link}
        both = {"stat": listed(b"a", b"a1ff") + listed(b"a/new"), "tar": link + below}
        yield f"file below link {target!r}", False, both
    for size in (2 << 30, 10**18 - 1):
        yield f"size {size}", False, {"stat": listed(b"a", size=size), "tar": sent(b"./a")}
    many = b"".join(listed(b"%d" % number) for number in range(200_001))
    yield "many files", False, {"stat": many}
    yield "long list", False, {"stat": bytes(65 << 20)}
    yield "long archive", False, {"stat": listed(b"a"), "tar": bytes(32 << 20)}


def noisy_answers() -> Iterator[tuple[str, bool, Answers]]:
    """Yield answers that are not in the form of an answer."""
    for name in NAMES:
        for noise in (b"", b"noise\n", b"\0\xff\n" * 9):
            yield f"{name} {noise[:2]!r}", True, {name: noise}
    for function in FUNCTIONS:
        for word in (b"failed", b"x", b"0", b"9" * 40):
            yield f"{function} {word!r}", True, {"sh": b"%s %s noise\n" % (function.encode(), word)}
        yield f"{function} long", True, {"sh": b"%s 0 " % function.encode() + bytes(80 << 20)}


def state_outside(tmp_path: Path) -> Mapping[Path, bytes]:
    """Return the files that no run changes; no run makes files with names or rights of a lie."""
    found = [one for one in tmp_path.rglob("*") if not one.is_symlink() and one.is_file()]
    assert not [one for one in found if one.name in ("x", "new") or one.stat().st_mode & 0o7000]
    parts = ("project/.git/hooks", "project/.git/config", "project/pipeline.dot", "outside", "sshd")
    own = [tmp_path / part for part in parts]
    kept = (one for one in found if any(map(one.is_relative_to, own)) and one.name != "log")
    return {one: one.read_bytes() for one in kept}


def outcome_of(opened: Project) -> str:
    """Return the error of a run, or an empty string."""
    try:
        result = run_in(opened, "box")
    except NotRunnable as refused:
        return str(refused)
    return "" if result.outcome is StageStatus.SUCCESS else result.reason


@contextmanager
def hostile_place(tmp_path: Path, text: str = PIPELINE) -> Generator[Project]:
    """Yield a project whose place answers what files in `programs` and `later` contain."""
    later, programs, keys, outside = (
        tmp_path / name for name in ("later", "programs", "sshd", "outside")
    )
    for folder in (later, programs, keys, outside):
        folder.mkdir()
    for name in NAMES:
        (programs / name).write_text(PROGRAM.replace("NAME", name))
    (programs / "sh").write_text(SHELL)
    for one in programs.iterdir():
        one.chmod(0o755)
    text = text.replace("LATER", str(later)).replace("PROGRAMS", str(programs))
    with ssh_server(keys, search_path=f"{programs}:/usr/bin:/bin") as server:
        opened = open_project(make_project(tmp_path / "project", text))
        yield replace(opened, places={"box": place_of(server, tmp_path / "there")})


def test_answers_of_a_hostile_place_are_refused_or_harmless(tmp_path: Path) -> None:
    later, programs, outside = (tmp_path / name for name in ("later", "programs", "outside"))
    with hostile_place(tmp_path) as opened:
        assert outcome_of(opened) == ""
        before, cases = state_outside(tmp_path), [*hostile_answers(outside), *noisy_answers()]
        for title, begins, answers in cases[:: count(ci=13, full=1)]:
            for old in (*later.iterdir(), *programs.glob("*.answer")):
                old.unlink()
            for name, content in answers.items():
                ((programs if begins else later) / f"{name}.answer").write_bytes(content)
            fault = outcome_of(opened)
            assert (state_outside(tmp_path), Path("/etc/x").exists()) == (before, False), title
            assert not fault or re.match(REFUSED, fault), (title, fault)


PATHS = "/bin/true\n" * 9


def test_examination_accepts_only_its_own_form(tmp_path: Path) -> None:
    """Too few or too many lines, digits of other scripts, and numbers that are costly to read."""
    with hostile_place(tmp_path) as opened:
        answer = tmp_path / "programs" / "sh.answer"
        for said in (
            *("", "noise\n", f"1\n999999\n{PATHS}more\n", f"1\n{PATHS}", f"-1\n999999\n{PATHS}"),
            *(f"1\n{free}\n{PATHS}" for free in ("\u0663", "\u00b2", "9" * 16, "9" * 5000, "")),
        ):
            answer.write_text(f"examine 0 {said}")
            with pytest.raises(PlaceRefused, match="the place box answers"):
                asyncio.run(check_place("box", opened))
        answer.write_text(f"examine 0 1\n999999\n{PATHS}")
        assert asyncio.run(check_place("box", opened)).free_mb == 976


LAST = PIPELINE.replace("-> exit", "-> last -> exit; last [shape=parallelogram, tool_command=true]")
SILENT = "127.0.0.1 does not answer"


def test_silent_place_is_given_up_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ANSWER_S", 3.0)
    monkeypatch.setattr(remote, "_STOP_S", 0.5)
    with hostile_place(tmp_path, LAST) as opened:
        for function in ("connect", "describe", "kill_marked"):
            (tmp_path / "programs" / "sh.answer").write_text(f"{function} silent ")
            with pytest.raises(RemoteLost, match=SILENT) as caught:
                asyncio.run(check_place("box", opened))
            assert "start-up files" in caught.value.hint
        (tmp_path / "programs" / "sh.answer").rename(tmp_path / "later" / "sh.answer")
        (tmp_path / "later" / "sh.answer").write_text("describe silent ")
        parked = run_in(opened, "box")
        assert (parked.outcome, f"the place box: {SILENT}" in parked.reason) == (None, True)
        (tmp_path / "programs" / "sh.answer").unlink()
