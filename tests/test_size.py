"""An installation does not grow, and the page about its dependencies is true."""

import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

from tests.examples import ROOT

PAGE = ROOT / "docs" / "reference" / "dependencies.md"
MOST_MB = 275
MOST_PACKAGES = 95
"""Both may only fall."""


def load_script() -> Any:
    loader = SourceFileLoader("size", str(ROOT / "scripts" / "size"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    loader.exec_module(script := module_from_spec(spec))
    return script


def test_installation_does_not_grow_and_the_page_says_what_it_brings() -> None:
    rows = load_script().measure()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {line.partition(">=")[0] for line in project["dependencies"]}
    assert {row.name for row in rows} == {*named, "all"}
    assert rows[-1].mb <= MOST_MB
    assert rows[-1].packages <= MOST_PACKAGES
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines()]
    page = {line[0]: line[1:] for line in lines if len(line) == 5}
    for row in rows:
        mb, packages, own_mb, own_packages = page[row.name]
        said = f"{row.name}: 'python scripts/size' prints the table for {PAGE}"
        assert (int(packages), int(own_packages)) == (row.packages, row.own_packages), said
        # Other versions of Python have other sizes.
        assert abs(float(mb) - row.mb) <= 1 + row.mb / 20, said
        assert abs(float(own_mb) - row.own_mb) <= 1 + row.own_mb / 20, said
