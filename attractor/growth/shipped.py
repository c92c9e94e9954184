"""Finds the pipelines of growth that come with Attractor: the crew and its relatives."""

from pathlib import Path

from attractor.growth.errors import UnknownGraph

_PACKAGE = Path(__file__).parent
# In the wheel, the pipelines are in this room; in a checkout, they are beside the package.
_FOLDERS = (_PACKAGE / "pipelines", _PACKAGE.parents[1] / "pipelines")
GRAPHS = ("assembly_line", "crew", "growth", "tester")


def shipped_pipeline(name: str) -> Path:
    """Return the file of a pipeline of growth, or raise UnknownGraph."""
    for folder in _FOLDERS if name in GRAPHS else ():
        file = folder / f"{name}.dot"
        if file.is_file():
            return file
    hint = f"known: {', '.join(GRAPHS)}; if one of them is missing, reinstall attractor"
    raise UnknownGraph(f"unknown pipeline of growth {name!r}", hint=hint)
