"""Known and unknown colours."""

import shutil
import subprocess

import pytest

from attractor.language.drawing.colors import color_names, unknown_color, unknown_colors
from attractor.language.reading import parse

KNOWN = (
    *("navy", "LightBlue", "lightgrey", "Gray37", "snow4", "/x11/red", "//red", "#333", "#A1b"),
    *("#00ff7F", "#00000080", "0.6 0.9 0.3", "0.5,1,1", "red:blue", "red;0.3:transparent"),
    *("none", "", " "),
)
UNKNOWN = {
    **{
        text: text
        for text in ("lightgren", "#12", "#12345", "FF0000", "1 2 3", "nan 0 0", "0.1 0.2", "snow5")
    },
    **{"red:gren:blu": "gren", "red:": "red:", "/blues9/3": "/blues9/3", "azure0": "azure0"},
}


def test_unknown_part_of_a_color_list_is_named() -> None:
    assert {text: unknown_color(text) for text in KNOWN} == dict.fromkeys(KNOWN, "")
    assert {text: unknown_color(text) for text in UNKNOWN} == UNKNOWN


def test_graphviz_knows_every_name() -> None:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("Graphviz is not installed: run scripts/system-packages")
    nodes = "".join(f'"{name}" [style=filled, fillcolor="{name}"]\n' for name in color_names())
    drawn = subprocess.run(
        [program, "-Txdot"],
        input=f"digraph {{ {nodes} }}",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert drawn.stderr == ""


TEXT = """digraph G {
    bgcolor=lightgren
    node [color="red:blu"]
    a; b [fontcolor="#12", fillcolor=navy]
    subgraph cluster_x { bgcolor=qqqqqqq; a }
    a -> b [color="red;0.5:blue", fontcolor=""]
}"""


def test_unknown_color_is_reported_once_with_its_position() -> None:
    diagnostics = [
        (one.message, one.span.line, one.fix, one.node) for one in unknown_colors(parse(TEXT))
    ]
    other = "write a name that Graphviz knows, or #rrggbb"
    end = "drawings leave it out"
    assert diagnostics == [
        (f"unknown color 'lightgren': {end}", 2, "did you mean lightgreen?", ""),
        (f"unknown color 'blu': {end}", 3, "did you mean blue?", "a"),
        (f"unknown color '#12': {end}", 4, other, "b"),
        (f"unknown color 'qqqqqqq': {end}", 5, other, ""),
    ]
