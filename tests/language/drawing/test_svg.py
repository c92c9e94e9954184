"""SVG of a picture: titles, tooltips, themes."""

import asyncio
import re
from xml.etree import ElementTree

from attractor.language.drawing.draw import draw
from attractor.language.drawing.picture import Annotation, Picture
from attractor.language.drawing.svg import describe
from attractor.language.drawing.theme import (
    DONE,
    PAINTS,
    Theme,
)
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse

SVG = "{http://www.w3.org/2000/svg}"
SVG_TEXT = """digraph "A <b> & c" {
    goal="Make \\"it\\" <work>"
    start [shape=Mdiamond]; exit [shape=Msquare, label="All done"]
    plan [prompt="1 < 2 && 3"]
    gate [shape=diamond, goal_gate=true, retry_target=plan]
    start -> plan -> gate -> exit
    gate -> plan [label="No"]
}"""


def svg_drawn(picture: Graph | Picture, theme: Theme = Theme.AUTO) -> str:
    return asyncio.run(draw(picture, theme=theme))


def test_svg_has_a_title_and_a_description() -> None:
    root = ElementTree.fromstring(svg_drawn(parse(SVG_TEXT)))
    assert root.get("role") == "img"
    title, description = root.findall("*")[:2]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "A <b> & c"
    assert description.text == (
        'A pipeline of 4 nodes and 4 edges, with 1 retry target.\nGoal: Make "it" <work>'
    )


def test_every_element_has_a_tooltip() -> None:
    root = ElementTree.fromstring(svg_drawn(parse(SVG_TEXT)))
    titles = {one.get("id"): one.findtext(f"{SVG}title") for one in root.iter(f"{SVG}g")}
    assert titles["node-plan"] == "plan (codergen)\n1 < 2 && 3"
    assert titles["edge-gate-plan"] == "gate -> plan"
    assert titles["retry-gate-plan"] == "gate -> plan\nretry"


def test_svg_contains_no_addresses_or_scripts() -> None:
    svg = svg_drawn(parse(SVG_TEXT))
    without_names = svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|<script|@import|url\(|<a[ >]", without_names)


def test_style_sheet_replaces_light_colors_by_dark_ones() -> None:
    svg = svg_drawn(parse(SVG_TEXT))
    style = svg[svg.index("<style>") : svg.index("</style>")]
    drawn_colors = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', svg.replace(style, "")))
    dark = {paint.light: paint.dark for paint in PAINTS}
    assert drawn_colors
    for color in drawn_colors:
        assert f'[fill="{color}"]{{fill:{dark[color]}}}' in style
        assert f'[stroke="{color}"]{{stroke:{dark[color]}}}' in style


def test_type_and_note_have_a_small_font() -> None:
    mark = Annotation("state-done", DONE, note="done · 2 visits")
    svg = svg_drawn(Picture(parse(SVG_TEXT), {"node-exit": mark, "node-start": mark}))
    sizes = {
        text.text: text.get("font-size") for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    }
    assert sizes["agent"] == sizes["exit"] == sizes["done · 2 visits"] == "9.00"
    assert sizes["plan"] == sizes["All done"] == sizes["start"] == "11.00"
    assert "No" in sizes


def test_description_contains_the_states_of_a_run() -> None:
    text = describe(Picture(parse("digraph G { a }"), caption="run 1", description="1 done"))
    assert text == "A pipeline of 1 node and 0 edges.\nrun 1\n1 done"
