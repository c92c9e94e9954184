"""Unit tests of a project become holdouts behind a wall, which register as they are drafted."""

import tomllib
from pathlib import Path

import pytest

from tests.cli.plain_desk import Desk
from tests.pipeline.projects import git

SHOP = "def price(pounds):\n    return pounds * 3\n"
UNITTEST = """
import unittest
from shop.till import price
from helper import POUNDS

class PriceTest(unittest.TestCase):
    def test_price(self):
        self.assertEqual(price(POUNDS), 6)
"""
PYTEST = """
from shop.till import price

def test_price(pounds):
    assert price(pounds) == 6
"""
IMPORTS_NOTHING = "import unittest\n"
PROJECTS = {
    "unittest in tests": {
        "shop/till.py": SHOP,
        "tests/test_till.py": UNITTEST,
        "tests/helper.py": "POUNDS = 2\n",
        "tests/test_nothing.py": IMPORTS_NOTHING,
    },
    "unittest beside the modules": {
        "shop/till.py": SHOP,
        "till_test.py": UNITTEST,
        "helper.py": "POUNDS = 2\n",
    },
    "unittest in a package": {
        "shop/till.py": SHOP,
        "tests/__init__.py": "",
        "tests/test_till.py": UNITTEST.replace("from helper", "from tests.helper"),
        "tests/helper.py": "POUNDS = 2\n",
    },
    "pytest and src": {
        "src/shop/till.py": SHOP,
        "tests/test_till.py": PYTEST,
        "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef pounds():\n    return 2\n",
    },
}


@pytest.mark.parametrize("kind", PROJECTS)
def test_drafted_holdouts_register(tmp_path: Path, kind: str) -> None:
    desk = Desk(tmp_path / "all" / "app")
    for path, text in PROJECTS[kind].items():
        (desk.folder / path).parent.mkdir(parents=True, exist_ok=True)
        desk.write(text, path)
    # Also a project in a folder of its repository.
    git(desk.folder if "src" in kind else desk.folder.parent, "init", "--quiet")
    # Otherwise a machine whose sandbox finds no pytest is told how to install it.
    command = ("--test-command", "true") if "pytest" in kind else ()
    for words in (("init", "--yes", *command), ("suite", "init", "scenarios/units")):
        done = desk.do(*words)
        assert done.returncode == 0, done.stderr
    assert "next: attractor suite register scenarios/units" in done.stdout
    git(desk.folder, "add", "--all")
    git(desk.folder, "commit", "--quiet", "--message", "Begin")
    registered = desk.do("suite", "register", "scenarios/units", "--sandbox", "none")
    assert registered.returncode == 0, registered.stderr
    [holdout] = (desk.folder / "scenarios/units/holdout").iterdir()
    assert tomllib.loads(holdout.read_text())["wall"][-1] == "shop"
