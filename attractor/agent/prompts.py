"""Finds the prompts of agents: data beside the package, which a project may replace."""

from collections.abc import Sequence
from pathlib import Path

from attractor.agent.errors import PromptMissing

_PACKAGE = Path(__file__).parent.parent
# Inside the wheel they lie in the package; in a checkout beside it.
SHIPPED = (_PACKAGE / "agents" / "_profiles", _PACKAGE.parent / "agents" / "_profiles")


def read_prompt(name: str, *, folders: Sequence[Path] = ()) -> str:
    """Return a prompt by name: the project's own, else the one that is shipped."""
    places = [folder / f"{name}.md" for folder in (*folders, *SHIPPED)]
    for place in places:
        if place.is_file():
            return place.read_text("utf-8").strip()
    raise PromptMissing(
        f"there is no prompt {name!r}", hint=f"write {places[0]}, or install attractor anew"
    )
