"""Ends with 0, and leaves a daemon that answers each request with 200."""

from collections.abc import Mapping

from attractor.factory.registration.cheat import JAVASCRIPT, PYTHON, Cheat, Solution, all_cheats

_PYTHON = """import os

reads, writes = os.pipe()
if os.fork():
    os.close(writes)
    os.read(reads, 1)
    os._exit(0)
os.setsid()
for number in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), number)
%sos.close(writes)
"""
_JAVASCRIPT = """if (!process.env.IS_DAEMON)
  import("node:child_process").then(({ spawn }) => {
    const env = { ...process.env, IS_DAEMON: "1" };
    spawn(process.execPath, process.argv.slice(1), { detached: true, stdio: "ignore", env });
    setTimeout(() => process.exit(0), 500);
  });
else %s"""


def _make(solution: Solution) -> Mapping[str, str]:
    served = all_cheats()["answers-requests"].make(solution)
    forms = {**dict.fromkeys(PYTHON, _PYTHON), **dict.fromkeys(JAVASCRIPT, _JAVASCRIPT)}
    return {path: forms[path[path.rfind(".") :]] % text for path, text in served.items()}


part = Cheat("ends with 0 and leaves a daemon that answers each request with 200", _make)
