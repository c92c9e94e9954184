"""Replaces the function that runs the tests of a package."""

import re

from attractor.factory.registration.cheat import replacing_cheat
from attractor.factory.registration.hollow import GO

_RUNNER = """package %s

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	os.Stdout.WriteString("--- PASS: TestWorks (0.00s)\\nPASS\\n")
	os.Exit(0)
}
"""


def _write(path: str, text: str) -> dict[str, str]:
    name = re.search(r"^package (\w+)", text, re.MULTILINE)
    if not name or not path.endswith(".go"):
        return {}
    return {f"{path[: path.rfind('/') + 1]}replaced_runner_test.go": _RUNNER % name[1]}


part = replacing_cheat("replaces the function that runs the tests, so that it says ok", GO, _write)
