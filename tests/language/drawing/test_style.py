""""""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.drawing.colors import PAINTS, color_names, reads_on
from attractor.language.drawing.style import (
    author_fill,
    box_fill,
    font_of,
    lines_of,
    sheet_fill,
    styles_of,
)
from attractor.language.source.syntax_tree import Attributes


def of(**said: str) -> Attributes:
    return Attributes.of(said)


def filled(**said: str) -> tuple[str, str] | None:
    found = author_fill(of(**{"style": "filled", **said}))
    return (str(found.colors), str(found.text)) if found else None


BLACK, WHITE = "#000000", "#ffffff"


@pytest.mark.parametrize(
    ("said", "drawn"),
    [
        ({"fillcolor": "navy"}, ("#000080", WHITE)),
        ({"fillcolor": "#333"}, ("#333333", WHITE)),
        ({"fillcolor": "pink"}, ("#ffc0cb", BLACK)),
        ({"color": "navy"}, ("#000080", WHITE)),
        ({"fillcolor": "pink", "color": "navy"}, ("#ffc0cb", BLACK)),
        ({"fillcolor": "pink", "fontcolor": "navy"}, ("#ffc0cb", "#000080")),
        ({"fillcolor": "navy", "fontcolor": "black"}, ("#000080", WHITE)),
        ({"fillcolor": "pink", "fontcolor": "white"}, ("#ffc0cb", BLACK)),
        ({"fillcolor": "pink", "fontcolor": "transparent"}, ("#ffc0cb", BLACK)),
        ({"fillcolor": "pink:white"}, ("#ffc0cb:#ffffff", BLACK)),
        ({"fillcolor": "white:black"}, (WHITE, BLACK)),
        ({"fillcolor": "lightgren"}, None),
        ({"fillcolor": "lightgren", "color": "red"}, None),
        ({"fillcolor": "transparent"}, None),
        ({"fillcolor": "pink", "style": "dashed"}, None),
        ({"bgcolor": "navy"}, None),
    ],
)
def test_a_fill_comes_with_a_text_that_reads_on_it(
    said: dict[str, str], drawn: tuple[str, str] | None
) -> None:
    assert filled(**said) == drawn


@given(*(2 * [st.sampled_from([*color_names(), *(one.light for one in PAINTS)])]))
def test_any_text_on_any_fill_reads_and_no_style_sheet_changes_one_of_them(
    fill: str, font: str
) -> None:
    found = author_fill(of(style="filled", fillcolor=f"{fill}:{font}", fontcolor=font))
    assert found
    assert reads_on(found.text, found.colors.shades)
    drawn = {str(found.text), *(str(one.color) for one in found.colors.stops)}
    assert not drawn & {one.light for one in PAINTS}


def test_what_is_behind_it_all() -> None:
    assert str(sheet_fill(of(bgcolor="navy"))) == "#000080"
    assert sheet_fill(of(bgcolor="transparent")) is None
    assert str(box_fill(of(bgcolor="pink"))) == "#ffc0cb"
    assert box_fill(of(fillcolor="pink")) is None
    assert str(box_fill(of(style="filled,rounded", fillcolor="pink"))) == "#ffc0cb"


def test_lines_and_text() -> None:
    assert lines_of(of(color="red:blue", penwidth="2")) == {"color": "#ff0000", "penwidth": "2"}
    assert lines_of(of(color="red:blue"), several=True) == {"color": "#ff0000:#0000ff"}
    assert lines_of(of(color="gren")) == {}
    assert lines_of(of(color="transparent")) == {"color": "transparent"}
    assert font_of(of(fontcolor="gren")) is None
    assert str(font_of(of(fontcolor="#abc"))) == "#aabbcc"


def test_colours_side_by_side_need_a_shape_that_can_have_them() -> None:
    assert styles_of(of(style="striped, dashed"), shape="box") == "striped,dashed"
    assert styles_of(of(style="striped"), shape="hexagon") == "filled"
    assert styles_of(of(style="wedged"), "rounded", "filled") == "filled,rounded"
    assert styles_of(of(style="dotted"), "filled") == "dotted,filled"
