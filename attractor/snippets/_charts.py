"""Executes a Python snippet inside a sandbox, and writes the figures of matplotlib as charts.

Arguments: the folder of the charts, the file of the snippet, its arguments. Each chart is one line
of JSON in a file of its own; the names of the files have the order of the charts. A figure becomes
a chart when it is shown or saved, and at the end if it is still open. A figure that is cleared and
drawn again becomes another chart. Nothing happens if the snippet does not import matplotlib.
"""

import base64
import io
import json
import math
import numbers
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

Json = dict[str, Any]

FIGURES, PLOTS = "matplotlib.figure", "matplotlib.pyplot"


class Recorder(MetaPathFinder):
    """Records figures; as a finder of modules, it wraps functions of matplotlib when imported."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recorded: list[tuple[Any, Any, Path]] = []
        self._boxes: list[tuple[Any, Any, Json]] = []
        self._save: Callable[..., Any] | None = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the modules whose functions are wrapped."""
        wrap = {FIGURES: self._wrap_figures, PLOTS: self._wrap_plots}.get(fullname)
        spec = PathFinder.find_spec(fullname, path) if wrap else None
        if spec and spec.loader and wrap:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                wrap(module)

            spec.loader.exec_module = exec_module
        return spec

    def _wrap_figures(self, module: Any) -> None:
        figures, axes = module.Figure, module.Axes
        save, draw_boxes = figures.savefig, axes.bxp
        self._save = save

        def savefig(figure: Any, *arguments: Any, **options: Any) -> Any:
            result = save(figure, *arguments, **options)
            self.record(figure)
            return result

        def bxp(on: Any, stats: Any, *arguments: Any, **options: Any) -> Any:
            drawn = draw_boxes(on, stats, *arguments, **options)
            for number, (stat, median) in enumerate(zip(stats, drawn["medians"], strict=True), 1):
                box = {
                    "label": str(stat.get("label") or number),
                    "min": _plain(stat["whislo"]),
                    "first_quartile": _plain(stat["q1"]),
                    "median": _plain(stat["med"]),
                    "third_quartile": _plain(stat["q3"]),
                    "max": _plain(stat["whishi"]),
                    "outliers": [_plain(value) for value in stat.get("fliers", ())],
                }
                self._boxes.append((on, median, box))
            return drawn

        def show(figure: Any, *arguments: Any, **options: Any) -> None:
            self.record(figure)

        figures.savefig, figures.show, axes.bxp = savefig, show, bxp

    def _wrap_plots(self, module: Any) -> None:
        def show(*arguments: Any, **options: Any) -> None:
            self.record_open()
            # As a window does when a person closes it.
            module.close("all")

        module.show = show

    def record_open(self) -> None:
        """Record all figures that are open."""
        plots: Any = sys.modules.get(PLOTS)
        for number in plots.get_fignums() if plots else ():
            self.record(plots.figure(number))

    def record(self, figure: Any) -> None:
        """Write the chart of a figure, in place of the one that was written before."""
        if not figure.axes or self._save is None:
            return
        png = io.BytesIO()
        try:
            self._save(figure, png, format="png")
            chart = {**self._describe(figure), "png": base64.b64encode(png.getvalue()).decode()}
        except Exception as error:  # noqa: BLE001 - a chart must not fail a snippet
            sys.stderr.write(f"chart skipped: {type(error).__name__}: {error}\n")
            return
        self._folder.mkdir(exist_ok=True)
        self._file(figure, figure.axes[0]).write_text(json.dumps(chart) + "\n")

    def _file(self, figure: Any, first: Any) -> Path:
        """Return the file of a figure, which is another one if it has other axes first."""
        for known, axes, file in self._recorded:
            if known is figure and axes is first:
                return file
        file = self._folder / f"{time.monotonic_ns():020}-{os.getpid()}.json"
        self._recorded.append((figure, first, file))
        return file

    def _describe(self, figure: Any) -> Json:
        axes = [one for one in figure.axes if one.get_label() != "<colorbar>"]
        title = figure.get_suptitle()
        charts = [self._chart(one) for one in axes]
        if len(charts) == 1:
            return {**charts[0], "title": charts[0]["title"] or title}
        return {"type": "composite_chart", "title": title, "elements": charts}

    def _chart(self, axes: Any) -> Json:
        title = axes.get_title()
        if axes.name == "3d":  # its lines are projected
            return {"type": "unknown", "title": title, "elements": []}
        wedges = [one for one in axes.patches if type(one).__name__ == "Wedge"]
        if wedges:
            return {"type": "pie", "title": title, "elements": [*map(_wedge, wedges)]}
        labels = {"x_label": axes.get_xlabel(), "y_label": axes.get_ylabel()}
        boxes = [box for on, median, box in self._boxes if on is axes and median in axes.lines]
        if boxes:
            return {"type": "box_and_whisker", "title": title, **labels, "elements": boxes}
        bars = [one for one in axes.containers if type(one).__name__ == "BarContainer"]
        if bars:
            found = [bar for one in bars for bar in _bars(axes, one)]
            return {"type": "bar", "title": title, **labels, "elements": found}
        lines: list[Json] = []
        for line in axes.lines:
            # One of axhline or axvline spans the axes, and shows no data.
            if all(line.get_transform().contains_branch_seperately(axes.transData)):
                data = (_items(line.get_xdata(orig=True)), _items(line.get_ydata(orig=True)))
                lines.append({"label": _label(line), "points": _points(*data)})
        clouds = [one for one in axes.collections if type(one).__name__ == "PathCollection"]
        scattered = [_cloud(axes, one) for one in clouds]
        kind = "scatter" if scattered else "line" if lines else "unknown"
        ticks = {**_ticks("x", axes.xaxis), **_ticks("y", axes.yaxis)}
        return {"type": kind, "title": title, **labels, **ticks, "elements": [*scattered, *lines]}


def _wedge(wedge: Any) -> Json:
    angle = _plain(wedge.theta2 - wedge.theta1)
    return {"label": _label(wedge), "angle": angle, "radius": _plain(wedge.r)}


def _bars(axes: Any, bars: Any) -> Iterator[Json]:
    is_upright = bars.orientation != "horizontal"
    axis = axes.xaxis if is_upright else axes.yaxis
    group = _label(bars)
    for bar in bars.patches:
        start, width = (
            (bar.get_x(), bar.get_width()) if is_upright else (bar.get_y(), bar.get_height())
        )
        value = bar.get_height() if is_upright else bar.get_width()
        label = _place(axis, start + width / 2)
        text = f"{label:g}" if isinstance(label, float) else str(label)
        yield {"label": text, "value": _plain(value), "group": group}


def _cloud(axes: Any, cloud: Any) -> Json:
    numpy: Any = sys.modules["numpy"]
    places = numpy.ma.compress_rows(numpy.ma.masked_invalid(cloud.get_offsets()))
    xs = [_place(axes.xaxis, one) for one in places[:, 0]]
    ys = [_place(axes.yaxis, one) for one in places[:, 1]]
    return {"label": _label(cloud), "points": _points(xs, ys)}


def _points(xs: Iterable[Any], ys: Iterable[Any]) -> list[list[Any]]:
    return [[_plain(x), _plain(y)] for x, y in zip(xs, ys, strict=False)]


def _items(data: Any) -> Sequence[Any]:
    return sys.modules["numpy"].atleast_1d(data)


def _label(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label


def _ticks(name: str, axis: Any) -> Json:
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)
    shown = [(at, label.get_text()) for at, label in ticks if low <= at <= high]
    return {
        f"{name}_ticks": [_plain(at) for at, _ in shown],
        f"{name}_tick_labels": [text for _, text in shown],
        f"{name}_scale": _scale(axis),
    }


def _scale(axis: Any) -> str:
    formatter = type(axis.get_major_formatter()).__name__
    if "Date" in formatter:
        return "datetime"
    return "categorical" if formatter == "StrCategoryFormatter" else axis.get_scale()


def _place(axis: Any, at: float) -> Any:
    """Return the value at a place of an axis: a category, the text of a tick, a date, a number."""
    formatter = type(axis.get_major_formatter()).__name__
    if _scale(axis) == "datetime":
        return sys.modules["matplotlib.dates"].num2date(at)
    if formatter in ("StrCategoryFormatter", "FixedFormatter", "FuncFormatter"):
        ticks = [*zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)]
        distance, text = min(
            ((abs(one - at), label.get_text()) for one, label in ticks), default=(1.0, "")
        )
        if distance <= 0.5 and text:
            return text
    return float(at)


def _plain(value: Any) -> Any:
    """Return a value of JSON; None for a number that is missing or infinite."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if value is None or getattr(value, "mask", False):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _forget_this_file(error: BaseException | None) -> None:
    while error:
        trace = error.__traceback__
        if trace and trace.tb_frame.f_code.co_filename == __file__:
            error.__traceback__ = trace.tb_next
        error = error.__cause__ or error.__context__


def main() -> None:
    """Execute the snippet as the main program."""
    folder, script = sys.argv[1:3]
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path.cwd())
    recorder = Recorder(Path(folder))
    sys.meta_path.insert(0, recorder)
    program = ModuleType("__main__")
    program.__file__ = script
    sys.modules["__main__"] = program
    try:
        code = compile(Path(script).read_bytes(), script, "exec", dont_inherit=True)
        exec(code, program.__dict__)
    except Exception as error:  # noqa: BLE001 - printed without the lines of this file
        _forget_this_file(error)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)
    finally:
        recorder.record_open()


if __name__ == "__main__":
    main()
