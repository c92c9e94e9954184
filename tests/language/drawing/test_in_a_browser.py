"""Drawings in Chromium: text is inside its node and readable, in light and dark."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypedDict, TypeVar

import pytest

from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference_picture import difference_picture
from attractor.language.drawing.draw import dot_text, draw, drawer_registry, finish_svg
from attractor.language.drawing.picture import as_picture
from attractor.language.drawing.run_overlay import overlay
from attractor.language.drawing.theme import Theme
from attractor.language.reading import parse
from tests.browsers import Screen, chromium
from tests.counts import count
from tests.language.drawing.graphs import large_graph, states_of_half
from tests.language.pipelines import HUMAN_GATE, SMOKE

WIDE_FONT = "<style>text{font-family:'DejaVu Sans',Verdana,sans-serif!important}</style>"
T = TypeVar("T")
MEASURE = """() => {
  const holds = (one, box) => one.x <= box.x && box.x + box.width <= one.x + one.width
                              && one.y <= box.y && box.y + box.height <= one.y + one.height;
  const filled = [...document.querySelectorAll('.graph>polygon,.cluster>*,.node>*')]
    .filter(one => one.isPointInFill && getComputedStyle(one).fill !== 'none');
  return [...document.querySelectorAll('svg text')].map(text => {
    const box = text.getBBox();
    const middle = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
    const behind = filled.filter(one => one.isPointInFill(middle)).pop();
    const node = text.closest('.node');
    const shapes = node ? [...node.querySelectorAll('polygon,path,ellipse')] : [];
    return {
      text: text.textContent,
      inside: !node || shapes.some(one => holds(one.getBBox(), box)
        && one.isPointInFill(new DOMPoint(box.x, middle.y))
        && one.isPointInFill(new DOMPoint(box.x + box.width, middle.y))),
      color: getComputedStyle(text).fill,
      behind: behind ? getComputedStyle(behind).fill : '',
    };
  });
}"""


class Measured(TypedDict):
    text: str
    inside: bool
    color: str
    behind: str


def run(work: Coroutine[None, None, T]) -> T:
    """Run a coroutine in a thread: the browser has an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    with chromium() as screen:
        yield screen


def luminance(color: str) -> float:
    parts = color.removeprefix("rgb(").removesuffix(")").split(",")
    shares = [int(part) / 255 for part in parts]
    red, green, blue = (
        one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def measure(screen: Screen, svg: str, *, dark: bool, more: str = "") -> list[Measured]:
    paper = "#0d1117" if dark else "#ffffff"
    html = f'<body style="margin:0;background:{paper}">{more}{svg}</body>'
    measured: list[Measured] = screen.evaluate(html, MEASURE, dark=dark)
    assert measured
    return measured


def faults(measured: list[Measured]) -> list[Measured]:
    return [
        one
        for one in measured
        if not one["inside"] or not one["behind"] or contrast(one["color"], one["behind"]) < 4.5
    ]


BEFORE, AFTER = parse(SMOKE), parse(SMOKE.replace("Plan how", "Say how").replace("review", "look"))
PICTURES = {
    "10": large_graph(10),
    "10 of a run": overlay(large_graph(10), states_of_half(large_graph(10))),
    "100": large_graph(100),
    "100 of a run": overlay(large_graph(100), states_of_half(large_graph(100))),
    "a difference": difference_picture(AFTER, diff(BEFORE, AFTER)),
    "people": parse(HUMAN_GATE),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
# The other themes have the same elements as the first two.
@pytest.mark.parametrize("name", list(PICTURES)[count(ci=2, full=0) :])
def test_text_is_inside_its_node_and_readable(screen: Screen, name: str, dark: bool) -> None:
    svg = run(draw(PICTURES[name]))
    measured = measure(screen, svg, dark=dark)
    assert faults(measured) == []
    plate = measured[0]["behind"]
    assert (luminance(plate) < 0.1) == dark


@pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])
def test_theme_is_the_same_on_light_and_dark_pages(screen: Screen, theme: Theme) -> None:
    svg = run(draw(PICTURES["10 of a run"], theme=theme))
    light, dark = (measure(screen, svg, dark=one) for one in (False, True))
    assert light == dark
    assert faults(light) == []
    assert (luminance(light[0]["behind"]) < 0.1) == (theme is Theme.DARK)


def test_library_leaves_room_for_text(screen: Screen) -> None:
    picture = as_picture(large_graph(20))
    dot = dot_text(picture, theme=Theme.AUTO, tooltips=False)
    drawer = drawer_registry()["wasi"]
    svg = run(drawer.draw(dot, format="svg", time_limit=timedelta(minutes=1)))
    assert svg is not None
    finished = finish_svg(svg.decode(), picture, theme=Theme.AUTO)
    for more in ("", WIDE_FONT):
        assert faults(measure(screen, finished, dark=True, more=more)) == []


COLORED = """digraph Colored {
    bgcolor="lightyellow"
    start [shape=Mdiamond]; exit [shape=Msquare]
    a [style=filled, fillcolor=lightblue]; b [style="rounded,filled", color=gold]
    c [color=red, fontcolor=navy]; d [style=filled, fillcolor=lightgren]
    subgraph cluster_x { label="Box"; bgcolor=mistyrose; a; b }
    start -> a -> b -> c -> d -> exit [label="go", color=purple, fontcolor=darkgreen]
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_drawing_with_a_background_of_its_author_is_light(screen: Screen, dark: bool) -> None:
    for theme in (Theme.AUTO, Theme.DARK):
        measured = measure(screen, run(draw(parse(COLORED), theme=theme)), dark=dark)
        assert faults(measured) == []
        assert measured[0]["behind"] == "rgb(255, 255, 224)"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_can_override_colors(screen: Screen, dark: bool) -> None:
    style = "<style>.node.type-tool > polygon { fill: rgb(1, 2, 3) }</style>"
    graph = parse("digraph G { a [shape=parallelogram] }")
    measured = measure(screen, run(draw(graph)), dark=dark, more=style)
    assert next(one for one in measured if one["text"] == "tool")["behind"] == "rgb(1, 2, 3)"
