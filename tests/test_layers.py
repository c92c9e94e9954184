"""Rooms import downward only, use no private names of others, and do nothing on import."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache

from attractor.language.reading import collection_paused
from tests import layers
from tests.tables import table

TABLE = layers.read_table()
SUBPACKAGES = layers.read_subpackages()
modules = cache(layers.read_modules)


def test_table_is_complete() -> None:
    assert len(TABLE) == 30
    assert TABLE["base"] == layers.Room("base", 0, ())
    assert TABLE["scenarios"].needs == ("pipeline", "twins", "workspaces")


def test_the_table_goes_downward() -> None:
    assert layers.upward_needs(TABLE) == []


def test_upward_import_in_the_table_is_detected() -> None:
    table = TABLE | {"base": layers.Room("base", 0, ("engine", "nowhere"))}
    assert layers.upward_needs(table) == ["base needs engine", "base needs nowhere"]


CHECKS: list[Callable[[layers.Module], list[str]]] = [
    lambda module: layers.upward_imports(module, TABLE),
    lambda module: layers.upward_imports_inside(module, SUBPACKAGES),
    layers.relative_imports,
    layers.late_imports,
    layers.private_reaches,
    layers.statements_that_run,
    lambda module: layers.outside_readings(module, TABLE),
    layers.foreign_imports,
    layers.compiled_data,
    layers.oversized,
]


def test_modules_follow_the_rules() -> None:
    assert len(modules()) > 500
    with collection_paused():
        assert [fault for one in modules() for check in CHECKS for fault in check(one)] == []


@table(
    ("name", "text", "fault"),
    [
        ("base.x", "import attractor.config.load", "imports config"),
        ("base.x", "from attractor.config import load", "imports config"),
        ("base.x", "from attractor import cli", "imports cli"),
        ("config.x", "from attractor.llm.client import Client", "imports llm"),
        ("config.x", "if TYPE_CHECKING:\n    import attractor.engine.runner", "imports engine"),
        ("cellar.x", "", "no room"),
        ("base.x", "from . import errors", "attractor.base.x:1"),
        ("config.x", "def f():\n    import json", "inside a function"),
        ("config.x", "class A:\n    async def f(self):\n        from a import b", "inside a func"),
        ("config.x", "from attractor.base.registry import _listed", "reaches for"),
        ("config.x", "from attractor.base._hidden import seen", "reaches for"),
        ("config.x", "from attractor.base import registry\nregistry._listed()", "reaches for"),
        ("base.x", "print(1)", "print(1)"),
        ("base.x", "for i in range(3):\n    pass", "for i in range(3)"),
        ("base.x", "with open('x') as f:\n    pass", "with open"),
        ("engine.x", "import os\ndef f():\n    return os.environ['A']", "reads os.environ"),
        ("handlers.x", "import time\ndef f():\n    return time.time()", "reads time.time"),
        ("base.x", "def f():\n    return datetime.now(UTC)", "reads datetime.now"),
        ("engine.x", "from os import environ", "reads os.environ"),
        ("engine.x", "from time import time", "reads time.time"),
        ("base.x", "import pydantic", "imports pydantic"),
        ("base.x", "from dataclasses import dataclass, field", "imports dataclasses.dataclass"),
        ("cli.main", "def f():\n" + "    pass\n" * 61, "has 62 lines"),
    ],
)
def test_violation_is_detected(name: str, text: str, fault: str) -> None:
    module = layers.Module(f"attractor.{name}", text)
    assert any(fault in found for check in CHECKS for found in check(module))


@table(
    ("name", "text", "faults"),
    [
        ("low.x", "from attractor.engine.low.y import z", []),
        ("high.x", "from attractor.engine.low import y", []),
        ("high.x", "from attractor.base.errors import UsageError", []),
        ("low.x", "from attractor.engine.high.y import z", ["imports engine.high"]),
        ("low.x", "def f():\n    import attractor.engine.high", ["imports engine.high"]),
        ("low.x", "from attractor.engine import high", ["imports engine.high"]),
        ("level", "from attractor.engine.low import y", ["imports engine.low"]),
        ("high.x", "from attractor.engine.attic import y", ["imports engine.attic"]),
        ("attic", "", ["no row for engine.attic"]),
    ],
)
def test_subpackages_import_lower_floors_only(name: str, text: str, faults: list[str]) -> None:
    floors = {"engine": {"low": 0, "level": 0, "high": 1}}
    found = layers.upward_imports_inside(layers.Module(f"attractor.engine.{name}", text), floors)
    assert len(found) == len(faults)
    assert all(fault in line for fault, line in zip(faults, found, strict=True))


@table(
    ("name", "text"),
    [
        ("config.x", "from attractor.base.errors import UsageError"),
        ("cli.commands.run", "def f():\n    import json"),
        ("llm.providers.litellm", "def f():\n    import litellm"),
        ("config.x", "def f():\n    # Heavy.\n    import json\n    from a import b"),
        ("base.x", "from attractor.base.registry import _listed"),
        ("cli.main", "import os\ndef f():\n    return os.environ"),
        ("base.clock", "def f():\n    return datetime.now(UTC)"),
        ("base.x", "from dataclasses import field, replace"),
        ("base.dataclasses", "from dataclasses import dataclass as standard"),
        ("base.x", "if __name__ == '__main__':\n    main()"),
    ],
)
def test_allowed_code_passes(name: str, text: str) -> None:
    module = layers.Module(f"attractor.{name}", text)
    assert [found for check in CHECKS for found in check(module)] == []


WATCHED_IMPORT = """
import gc, importlib, sys

gc.disable()  # garbage collections take a fifth of the time

import {before}

WRITES = {{"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.putenv", "os.system", "os.fork",
          "subprocess.Popen", "socket.connect", "socket.bind", "_thread.start_new_thread"}}
done = []

def opens_to_write(event, arguments):
    return event == "open" and set(str(arguments[1] or "")) & set("wax+")

def watch(event, arguments):
    if event in WRITES or opens_to_write(event, arguments):
        done.append(f"{{event}} {{arguments}}")

sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
assert not done, done
"""


def import_watched(*names: str, before: str = "sys") -> subprocess.CompletedProcess[str]:
    """Import modules in a new interpreter that reports every other action of an import."""
    code = WATCHED_IMPORT.format(before=before)
    return subprocess.run(
        [sys.executable, "-B", "-c", code, *names],
        capture_output=True,
        text=True,
    )


def test_imports_have_no_side_effects() -> None:
    names = [module.name for module in modules() if not module.name.endswith("__main__")]
    result = import_watched(*names, before="pydantic, platformdirs, click, asyncio")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_side_effect_on_import_is_detected() -> None:
    assert "open ('/dev/null'" in import_watched("tests.busy_on_import").stderr
