import asyncio
import re
from xml.etree import ElementTree

from attractor.language.draw import draw
from attractor.language.drawing.palette import DONE, PAINTS, Theme
from attractor.language.drawing.picture import Mark, Picture
from attractor.language.drawing.svg import describe
from attractor.language.graph import Graph
from attractor.language.parsing import parse

SVG = "{http://www.w3.org/2000/svg}"
TEXT = """digraph "A <b> & c" {
    goal="Make \\"it\\" <work>"
    start [shape=Mdiamond]; exit [shape=Msquare, label="All done"]
    plan [prompt="1 < 2 && 3"]
    gate [shape=diamond, goal_gate=true, retry_target=plan]
    start -> plan -> gate -> exit
    gate -> plan [label="No"]
}"""


def drawn(picture: Graph | Picture, theme: Theme = Theme.AUTO) -> str:
    return asyncio.run(draw(picture, theme=theme))


def test_a_drawing_tells_who_does_not_see_it_what_it_shows() -> None:
    root = ElementTree.fromstring(drawn(parse(TEXT)))
    assert root.get("role") == "img"
    title, description = root.findall("*")[:2]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "A <b> & c"
    assert description.text == (
        'A pipeline of 4 nodes and 4 edges, with 1 retry target.\nGoal: Make "it" <work>'
    )


def test_every_element_tells_more_when_one_points_at_it() -> None:
    root = ElementTree.fromstring(drawn(parse(TEXT)))
    titles = {one.get("id"): one.findtext(f"{SVG}title") for one in root.iter(f"{SVG}g")}
    assert titles["node-plan"] == "plan (codergen)\n1 < 2 && 3"
    assert titles["edge-gate-plan"] == "gate -> plan"
    assert titles["retry-gate-plan"] == "gate -> plan\nretry"


def test_nothing_is_fetched_and_nothing_leads_away() -> None:
    svg = drawn(parse(TEXT))
    without_names = svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|<script|@import|url\(|<a[ >]", without_names)


def test_auto_puts_the_dark_colours_in_place_of_the_light_ones() -> None:
    svg = drawn(parse(TEXT))
    style = svg[svg.index("<style>") : svg.index("</style>")]
    drawn_colors = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', svg.replace(style, "")))
    dark = {paint.light: paint.dark for paint in PAINTS}
    assert drawn_colors
    for color in drawn_colors:
        assert f'[fill="{color}"]{{fill:{dark[color]}}}' in style
        assert f'[stroke="{color}"]{{stroke:{dark[color]}}}' in style


def test_what_a_node_is_stands_there_in_small_print() -> None:
    mark = Mark("state-done", DONE, note="done · 2 visits")
    svg = drawn(Picture(parse(TEXT), {"node-exit": mark, "node-start": mark}))
    sizes = {
        text.text: text.get("font-size") for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    }
    assert sizes["agent"] == sizes["exit"] == sizes["done · 2 visits"] == "9.00"
    assert sizes["plan"] == sizes["All done"] == sizes["start"] == "11.00"
    assert "No" in sizes


def test_a_description_has_the_states_of_a_run() -> None:
    told = describe(Picture(parse("digraph G { a }"), caption="run 1", description="1 done"))
    assert told == "A pipeline of 1 node and 0 edges.\nrun 1\n1 done"
