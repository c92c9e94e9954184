"""Figures of matplotlib become charts, whether they are shown, saved or left open."""

import base64
from typing import Any

import pytest

from attractor.snippets.execution import SnippetSandboxes
from tests.snippets.sandboxes import execute

PNG = b"\x89PNG"

KINDS = """
import datetime
import matplotlib.pyplot as plt

plt.plot([1, 2, 3], [1, 10, 100], label="growth")
plt.axhline(50)
plt.yscale("log")
plt.title("Line"), plt.xlabel("day"), plt.ylabel("count")
plt.show()

plt.scatter(["a", "b"], [3, float("nan")], label="dots")
plt.suptitle("Scatter")
plt.show()

plt.bar(["x", "y"], [1, 2], label="first")
plt.bar(["x", "y"], [3, 4], bottom=[1, 2], label="second")
plt.show()

plt.barh([1, 2], [5, 6], tick_label=["low", "high"])
plt.show()

plt.pie([1, 3], labels=["small", "large"])
plt.show()

plt.boxplot([[1, 2, 3, 4, 100], [2, 2, 2]], tick_labels=["A", "B"])
plt.ylabel("size")
plt.show()

figure, (left, right) = plt.subplots(1, 2)
left.plot([datetime.date(2026, 1, 2)], [1])
right.hist([1, 1, 2], bins=2)
figure.colorbar(right.imshow([[1, 2]]), ax=left)
figure.suptitle("Both")
plt.show()

plt.imshow([[1]])
plt.show()

plt.figure().add_subplot(projection="3d").plot([1], [1], [1])
plt.show()
"""


@pytest.fixture(scope="module")
def charts(sandboxes: SnippetSandboxes) -> list[dict[str, Any]]:
    """Charts of all kinds, made once: matplotlib takes seconds to import on a busy machine."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    found = execute(sandboxes, code=KINDS)
    assert (found.ok, found.stderr, found.truncated) == (True, "", False), found.stderr
    return found.to_record()["artifacts"]["charts"]


def test_each_chart_has_a_drawing(charts: list[dict[str, Any]]) -> None:
    kinds = "line scatter bar bar pie box_and_whisker composite_chart unknown unknown"
    assert [one["type"] for one in charts] == kinds.split()
    assert all(base64.b64decode(one.pop("png")).startswith(PNG) for one in map(dict, charts))


def test_line_has_points_axes_ticks_and_scales(charts: list[dict[str, Any]]) -> None:
    line = charts[0]
    assert (line["title"], line["x_label"], line["y_label"]) == ("Line", "day", "count")
    points = [[1, 1], [2, 10], [3, 100]]
    assert line["elements"] == [{"label": "growth", "points": points}]
    assert (line["x_scale"], line["y_scale"]) == ("linear", "log")
    assert line["y_ticks"] == [1, 10, 100]
    assert len(line["x_ticks"]) == len(line["x_tick_labels"]) > 1


def test_scatter_has_categories_and_only_drawn_points(charts: list[dict[str, Any]]) -> None:
    scatter = charts[1]
    assert (scatter["title"], scatter["x_scale"]) == ("Scatter", "categorical")
    assert scatter["elements"] == [{"label": "dots", "points": [["a", 3]]}]


def test_bars_have_label_value_and_group(charts: list[dict[str, Any]]) -> None:
    upright, lying = charts[2], charts[3]
    bars = [(one["label"], one["value"], one["group"]) for one in upright["elements"]]
    assert bars == [("x", 1, "first"), ("y", 2, "first"), ("x", 3, "second"), ("y", 4, "second")]
    assert [(one["label"], one["value"]) for one in lying["elements"]] == [("low", 5), ("high", 6)]


def test_wedges_have_label_angle_and_radius(charts: list[dict[str, Any]]) -> None:
    small, large = charts[4]["elements"]
    assert (small["label"], large["label"]) == ("small", "large")
    assert (round(small["angle"]), round(large["angle"]), large["radius"]) == (90, 270, 1)
    assert "x_label" not in charts[4]


def test_boxes_have_quartiles_whiskers_and_outliers(charts: list[dict[str, Any]]) -> None:
    first, second = charts[5]["elements"]
    assert charts[5]["y_label"] == "size"
    assert first == {
        "label": "A",
        "min": 1,
        "first_quartile": 2,
        "median": 3,
        "third_quartile": 4,
        "max": 4,
        "outliers": [100],
    }
    assert (second["label"], second["median"], second["outliers"]) == ("B", 2, [])


def test_several_axes_are_a_composite_chart(charts: list[dict[str, Any]]) -> None:
    both = charts[6]
    dates, histogram = both["elements"]
    assert both["title"] == "Both"
    assert dates["elements"][0]["points"] == [["2026-01-02", 1]]
    assert dates["x_scale"] == "datetime"
    assert [one["value"] for one in histogram["elements"]] == [2, 1]


WAYS = """
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

plt.plot([1], label="saved and closed")
plt.savefig("a.png"), plt.close()

plt.plot([1], label="saved as SVG, then shown")
plt.savefig("b.svg"), plt.show()

plt.plot([1], label="saved, then cleared")
plt.savefig("c.png"), plt.clf()
plt.plot([1], label="drawn again, then saved")
plt.savefig("d.png")
plt.close()

alone = Figure()
alone.subplots().plot([1], label="without pyplot")
alone.savefig("e.png")

plt.figure()
plt.figure(), plt.plot([1], label="left open")
plt.gcf().show()
raise SystemExit(3)
"""


def test_figure_becomes_one_chart_in_all_cases(sandboxes: SnippetSandboxes) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    found = execute(sandboxes, code=WAYS)
    assert (found.exit_code, found.stderr) == (3, "")
    assert [one.elements[0]["label"] for one in found.artifacts.charts] == [
        "saved and closed",
        "saved as SVG, then shown",
        "saved, then cleared",
        "drawn again, then saved",
        "without pyplot",
        "left open",
    ]


OWN = "{'type': 'pie', 'title': '', 'elements': [{'a': VALUE}], 'png': ''}"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("'{}'", 0),
        ("'x' * (9 << 20)", 0),
        (f"json.dumps({OWN.replace('VALUE', '1e999 - 1e999')})", 0),
        (f"json.dumps({OWN.replace('VALUE', '1')})", 1),
    ],
    ids=["invalid", "too large", "not a number", "own"],
)
def test_charts_written_by_the_snippet_are_checked(
    sandboxes: SnippetSandboxes, written: str, kept: int
) -> None:
    code = (
        "import json, pathlib\n"
        "pathlib.Path('/tmp/.charts').mkdir()\n"
        f"pathlib.Path('/tmp/.charts/1.json').write_text({written})\n"
    )
    found = execute(sandboxes, code=code)
    assert (len(found.artifacts.charts), found.truncated) == (kept, not kept)
