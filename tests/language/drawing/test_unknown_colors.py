from attractor.language.drawing.unknown_colors import unknown_colors
from attractor.language.parsing import parse

TEXT = """digraph G {
    bgcolor=lightgren
    node [color="red:blu"]
    a; b [fontcolor="#12", fillcolor=navy]
    subgraph cluster_x { bgcolor=qqqqqqq; a }
    a -> b [color="red;0.5:blue", fontcolor=""]
}"""


def test_each_colour_that_is_none_is_told_once_with_its_place() -> None:
    found = [(one.message, one.span.line, one.fix, one.node) for one in unknown_colors(parse(TEXT))]
    other = "write a name that Graphviz knows, or #rrggbb"
    left = "is no colour: it is left out of drawings"
    assert found == [
        (f"'lightgren' {left}", 2, "did you mean lightgreen?", ""),
        (f"'blu' {left}", 3, "did you mean blue?", "a"),
        (f"'#12' {left}", 4, other, "b"),
        (f"'qqqqqqq' {left}", 5, other, ""),
    ]
