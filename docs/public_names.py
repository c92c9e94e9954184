"""The public names of the package: what programs may import, and what does not change silently."""

import importlib
import inspect
from collections.abc import Iterator, Mapping

PUBLIC: Mapping[str, str] = {
    "attractor": "run, resume, check and read pipelines",
    "attractor.engine": "handlers, backends and interviewers",
    "attractor.language": "graphs: parse, build, check, compare, write and draw",
    "attractor.agent": "the coding-agent loop, its tools and profiles",
    "attractor.environments": "files and commands of agents",
    "attractor.llm": "the client for every model",
    "attractor.llm.middleware": "shipped middleware of the client",
    "attractor.factory": "judge, decide and promote",
    "attractor.twins": "twins of model providers and of services",
    "attractor.twins.pytest_plugin": "the fixture `provider_twin` of pytest",
    "attractor.twins.services.pytest_plugin": "the fixture `service_twin` of pytest",
}
"""Each public module, with the purpose of its names."""


def names_of(module: str) -> list[str]:
    """Return the public names of a module."""
    return list(importlib.import_module(module).__all__)


def public_names() -> str:
    """Return a section for each module, with the first sentence about each name."""
    return "\n\n".join("\n".join(_section(one)) for one in PUBLIC)


def _section(module: str) -> Iterator[str]:
    yield f"## {module}\n\n{PUBLIC[module][0].upper()}{PUBLIC[module][1:]}.\n"
    yield "| name | meaning |\n|---|---|"
    home = importlib.import_module(module)
    for name in names_of(module):
        yield f"| `{name}` | {_meaning(getattr(home, name))} |"


def _meaning(value: object) -> str:
    """Return the first sentence about a value; of a value that is no code, its type."""
    if not (inspect.isclass(value) or callable(value)):
        return f"a value of the type `{type(value).__name__}`"
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return text.replace("|", "\\|")
