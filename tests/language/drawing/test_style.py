"""Colours and lines of elements: of the theme, and as their author wrote."""

import pytest

from attractor.language.drawing.style import Coloring, theme_for
from attractor.language.drawing.theme import AGENT, BOX_FILL, INK, PLATE, TAKEN, Theme
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes

LIGHT = Coloring(Theme.LIGHT)


def node(**written: str) -> tuple[str | None, ...]:
    drawn = LIGHT.node(Attributes.of(written), AGENT, "box")
    return tuple(drawn.get(key) for key in ("fillcolor", "fontcolor", "style"))


OURS = AGENT.fill.light, INK.light


@pytest.mark.parametrize(
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


def test_edge_has_the_lines_of_its_author() -> None:
    written = Attributes.of({"color": "red:blue", "penwidth": "7", "style": "dotted"})
    edge = LIGHT.edge(written, TAKEN)
    assert (edge["color"], edge["penwidth"], edge["style"]) == ("red:blue", "7", "dotted")
    assert LIGHT.edge(Attributes.of({"color": "gren"}), TAKEN)["color"] == TAKEN.line.light


def test_box_and_sheet_have_the_background_of_their_author() -> None:
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
