"""Figures about the structure of the package only fall."""

import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from attractor.language.reading import collection_paused
from tests.tables import table

ROOT = Path(__file__).parent.parent


def load_script() -> Any:
    loader = SourceFileLoader("house_figures", str(ROOT / "scripts" / "house_figures"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    script = module_from_spec(spec)
    loader.exec_module(script)
    return script


SCRIPT = load_script()
CYCLES = "import cycles, late imports included"
CLASSES = "class names used more than once"
KEPT = f"""# The ratchet.
["house"]
"{CYCLES}" = 0
"{CLASSES}" = 3
["product lines"]
"engine" = 5000  # because of the walk
"""


def figures(cycles: int = 0, classes: int = 3, engine: int = 5000) -> dict[str, dict[str, float]]:
    return {
        "house": {CYCLES: cycles, CLASSES: classes},
        "product lines": {"engine": engine},
    }


def test_no_figure_rises() -> None:
    kept = (ROOT / SCRIPT.KEPT).read_text("utf-8")
    with collection_paused():
        assert SCRIPT.compare(SCRIPT.measure_ratchet(ROOT), kept) == []
    assert len(tomllib.loads(kept)["product lines"]) > 20


@table(
    ("measured", "line", "value"),
    [
        (figures(cycles=1), 3, f'"{CYCLES}" = 1  # REASON'),
        (figures(classes=4), 4, f'"{CLASSES}" = 4  # REASON'),
        (figures(engine=6000), 6, '"engine" = 6000  # REASON'),
    ],
)
def test_rise_names_the_line_to_edit(measured: Any, line: int, value: str) -> None:
    [complaint] = SCRIPT.compare(measured, KEPT)
    assert complaint.startswith(f"{SCRIPT.KEPT}:{line}: ")
    assert complaint.endswith(value)


def test_small_growth_and_falls_pass_and_missing_rooms_do_not() -> None:
    assert SCRIPT.compare(figures(classes=2, engine=5999), KEPT) == []
    [complaint] = SCRIPT.compare({"product lines": {"cellar": 1}}, KEPT)
    assert 'missing "cellar"' in complaint


def test_writing_lowers_and_never_raises() -> None:
    text = SCRIPT.lower(figures(cycles=1, classes=2, engine=4000), KEPT)
    assert f'"{CYCLES}" = 0\n"{CLASSES}" = 2\n' in text
    assert '"engine" = 4000  # because of the walk\n' in text


@table(
    ("text", "is_cycle"),
    [
        ("if TYPE_CHECKING:\n    from attractor.a import x", True),
        ("def f():\n    from attractor import a", True),
        ("class C:\n    try:\n        pass\n    finally:\n        import attractor.a", True),
        ("'from attractor import a'", False),
    ],
)
def test_cycles_include_late_imports_and_imports_for_types(
    text: str, is_cycle: bool, tmp_path: Path
) -> None:
    package = tmp_path / "attractor"
    package.mkdir()
    (package / "a.py").write_text("import attractor.b\n")
    (package / "b.py").write_text(text + "\n")
    assert SCRIPT.measure_structure(SCRIPT.read_modules(tmp_path))[CYCLES] == is_cycle
