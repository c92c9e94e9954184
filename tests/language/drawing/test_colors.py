""""""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.drawing.colors import (
    BLACK,
    BOX_FILL,
    INK,
    LOOKS,
    MUTED,
    PAINTS,
    PLATE,
    READABLE,
    WHITE,
    Colors,
    ElementStyle,
    Paint,
    Rgb,
    Stop,
    Theme,
    as_rgb,
    color_names,
    lightened,
    look_of,
    read_colors,
    reads_on,
    unknown_colors,
    unknown_in,
)
from attractor.language.drawing.colors import contrast as colors_contrast
from attractor.language.graph.graph import TYPE_OF_SHAPE
from attractor.language.source.parse import parse

ANY_COLOR = st.builds(Rgb, *(3 * [st.integers(0, 255)]))
ANY_COLORS = st.lists(ANY_COLOR.map(Stop), min_size=1, max_size=4).map(
    lambda stops: Colors(tuple(stops))
)


def read(text: str) -> str | None:
    colors = read_colors(text)
    return None if colors is None else str(colors)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("navy", "#000080"),
        ("LightBlue", "#add8e6"),
        ("lightgrey", "#d3d3d3"),
        ("Gray37", "#5e5e5e"),
        ("snow4", "#8b8989"),
        ("/x11/red", "#ff0000"),
        ("//red", "#ff0000"),
        ("#333", "#333333"),
        ("#A1b", "#aa11bb"),
        ("#00ff7F", "#00ff7f"),
        ("#00000080", "#7f7f7f"),
        ("0.6 0.9 0.3", "#08234c"),
        ("0.5,1,1", "#00ffff"),
        ("red:blue", "#ff0000:#0000ff"),
        ("red;0.3:transparent", "#ff0000;0.3:#ffffff"),
        ("transparent", "transparent"),
        ("none", "transparent"),
        *((one, None) for one in ("lightgren", "#12", "#12345", "FF0000", "1 2 3", "nan 0 0", ":")),
        *((one, None) for one in ("", "/blues9/3", "red:", "red:gren", "url(x)", "0.1 0.2")),
    ],
)
def test_colours_are_read_as_graphviz_writes_them(text: str, meant: str | None) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "unknown"),
    [("red:gren:blu", "gren"), ("#12", "#12"), ("red", ""), ("", ""), (" ", ""), ("red:", "red:")],
)
def test_the_part_that_is_none_is_named(text: str, unknown: str) -> None:
    assert unknown_in(text) == unknown


def test_every_name_is_one_of_graphviz() -> None:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("Graphviz is not installed: run scripts/system-packages")
    names = list(color_names())
    nodes = "".join(f'"{one}" [style=filled, fillcolor="{one}"]\n' for one in names)
    drawn = subprocess.run(
        [program, "-Txdot"],
        input=f"digraph {{ {nodes} }}",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert drawn.stderr == ""
    fills = drawn.stdout.replace("\\\n", "").split("_draw_=")[2:]
    meant = [one.split(" C 7 -")[1][:7] for one in fills]
    assert meant == [read(one) for one in names]


def test_contrast_is_that_of_the_web() -> None:
    assert colors_contrast(BLACK, WHITE) == pytest.approx(21)
    assert colors_contrast(as_rgb("#767676"), WHITE) == pytest.approx(4.54, abs=0.01)


@given(ANY_COLOR)
def test_on_any_colour_black_or_white_can_be_read(color: Rgb) -> None:
    assert reads_on(BLACK, [color]) or reads_on(WHITE, [color])


@given(ANY_COLORS)
def test_whatever_is_made_lighter_carries_a_dark_text(colors: Colors) -> None:
    text = as_rgb("#57606a")
    lighter = lightened(colors, text)
    assert all(colors_contrast(text, one) >= READABLE for one in lighter.shades)
    assert lightened(lighter, text) == lighter


def test_what_is_light_enough_stays() -> None:
    colors = read_colors("ivory;0.5:white")
    assert colors
    assert lightened(colors, BLACK) == colors


def luminance(color: str) -> float:
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Paint, other: Paint, theme: Theme) -> float:
    darker, lighter = sorted((luminance(one.on(theme)), luminance(other.on(theme))))
    return (lighter + 0.05) / (darker + 0.05)


THEMES = pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])


@THEMES
@pytest.mark.parametrize("look", LOOKS)
def test_every_text_can_be_read_on_whatever_is_behind_it(look: ElementStyle, theme: Theme) -> None:
    for behind in (look.fill, PLATE, BOX_FILL):
        assert contrast(look.text, behind, theme) >= 4.5


@THEMES
@pytest.mark.parametrize("look", LOOKS)
def test_every_line_can_be_seen(look: ElementStyle, theme: Theme) -> None:
    for beside in (PLATE, BOX_FILL):
        assert contrast(look.line, beside, theme) >= 3


def test_one_light_colour_has_one_dark_one() -> None:
    assert len({paint.light for paint in PAINTS}) == len(set(PAINTS))
    used = {paint for look in LOOKS for paint in (look.line, look.fill, look.text)}
    assert used | {INK, MUTED} <= set(PAINTS)


def test_auto_is_light_until_a_style_sheet_says_otherwise() -> None:
    assert PLATE.on(Theme.AUTO) == PLATE.on(Theme.LIGHT) != PLATE.on(Theme.DARK)


def test_every_type_has_a_look() -> None:
    assert all(look_of(type_) in LOOKS for type_ in [*TYPE_OF_SHAPE.values(), "of.somebody"])


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
