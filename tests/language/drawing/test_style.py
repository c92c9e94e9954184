"""Known and unknown colours.

Colours and lines of elements: of the theme, and as their author wrote.
"""

import subprocess

from attractor.language.drawing.style import (
    Coloring,
    color_names,
    theme_for,
    unknown_color,
    unknown_colors,
)
from attractor.language.drawing.theme import AGENT, BOX_FILL, INK, PLATE, TAKEN, Theme
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes
from tests.needs import require
from tests.tables import table

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
    program = require("graphviz")
    nodes = "".join(f'"{name}" [style=filled, fillcolor="{name}"]\n' for name in color_names())
    drawn = subprocess.run(
        [program, "-Txdot"],
        input=f"digraph {{ {nodes} }}",
        capture_output=True,
        text=True,
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
    other = "use a color name of Graphviz, or #rrggbb"
    end = "drawings ignore it"
    assert diagnostics == [
        (f"unknown color 'lightgren': {end}", 2, "did you mean lightgreen?", ""),
        (f"unknown color 'blu': {end}", 3, "did you mean blue?", "a"),
        (f"unknown color '#12': {end}", 4, other, "b"),
        (f"unknown color 'qqqqqqq': {end}", 5, other, ""),
    ]


LIGHT = Coloring(Theme.LIGHT)


def node(**written: str) -> tuple[str | None, ...]:
    drawn = LIGHT.node(Attributes.of(written), AGENT, "box")
    return tuple(drawn.get(key) for key in ("fillcolor", "fontcolor", "style"))


OURS = AGENT.fill.light, INK.light


@table(
    ("written", "drawn"),
    [
        ({}, (*OURS, "filled,rounded")),
        ({"fillcolor": "pink"}, (*OURS, "filled,rounded")),
        ({"bgcolor": "navy", "style": "dashed"}, (*OURS, "dashed,filled,rounded")),
        ({"style": "filled", "fillcolor": "pink"}, ("pink", "black", "filled")),
        ({"style": "filled", "color": "navy"}, ("navy", "black", "filled")),
        ({"style": "radial", "fillcolor": "pink:white"}, ("pink:white", "black", "radial")),
        ({"style": "filled", "fillcolor": "navy", "fontcolor": "#eee"}, ("navy", "#eee", "filled")),
        ({"style": "filled", "fillcolor": "lightgren"}, (*OURS, "filled,rounded")),
        ({"fontcolor": "gren"}, (*OURS, "filled,rounded")),
        ({"fontcolor": "navy"}, (OURS[0], "navy", "filled,rounded")),
    ],
)
def test_node_is_filled_as_its_author_wrote(
    written: dict[str, str], drawn: tuple[str, ...]
) -> None:
    assert node(**written) == drawn


def test_authors_style_of_edges_boxes_and_sheets() -> None:
    written = Attributes.of({"color": "red:blue", "penwidth": "7", "style": "dotted"})
    edge = LIGHT.edge(written, TAKEN)
    assert (edge["color"], edge["penwidth"], edge["style"]) == ("red:blue", "7", "dotted")
    assert LIGHT.edge(Attributes.of({"color": "gren"}), TAKEN)["color"] == TAKEN.line.light
    fills = {
        "bgcolor=pink": "pink",
        "fillcolor=pink": BOX_FILL.light,
        'style="filled,rounded"; fillcolor=pink': "pink",
    }
    for text, fill in fills.items():
        graph = parse(f"digraph G {{ subgraph cluster_x {{ {text}; a }} }}")
        assert LIGHT.box(graph.subgraphs[0].attributes)["fillcolor"] == fill
    assert LIGHT.sheet(Attributes.of({"bgcolor": "navy"}))["bgcolor"] == "navy"
    assert LIGHT.sheet(Attributes.of({"bgcolor": "nawy"}))["bgcolor"] == PLATE.light


def test_drawing_with_a_background_of_its_author_is_light_in_every_theme() -> None:
    own = ("bgcolor=white", "subgraph cluster_x { bgcolor=pink; a }")
    for theme in Theme:
        assert [theme_for(parse(f"digraph G {{ {text} }}"), theme) for text in own] == [
            Theme.LIGHT,
            Theme.LIGHT,
        ]
        assert theme_for(parse("digraph G { a [style=filled, fillcolor=pink] }"), theme) is theme
