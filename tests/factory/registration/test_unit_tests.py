"""Unit tests of a project become holdouts behind a wall, which register as they are drafted."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from attractor.factory.registration.unit_tests import find_unit_tests
from tests.cli.plain_desk import Desk
from tests.needs import require
from tests.pipeline.projects import git
from tests.scenarios.suites import write_files

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


ES_TEST = """
import assert from "node:assert/strict";
import { test } from "node:test";
import { price } from "../src/till.js";
import { POUNDS } from "./helper.js";

test("price", () => assert.equal(price(POUNDS), 6));
"""
COMMON_TEST = """
const assert = require("node:assert"), test = require('node:test');
const { price } = require("../src/till");

test("price", () => assert.equal(price(2), 6));
"""
ES_SHOP = "export const price = (pounds) => pounds * 3;\n"
COMMON_SHOP = "exports.price = (pounds) => pounds * 3;\n"
IN_JAVASCRIPT = {
    "ES modules": {
        "package.json": '{"type": "module", "scripts": {"test": "node --test"}}',
        "src/till.js": ES_SHOP,
        "test/helper.js": "export const POUNDS = 2;\n",
        "test/till.test.js": ES_TEST,
        "test/nothing.test.js": 'import "node:test";\n',
    },
    "CommonJS": {
        "package.json": "{}",
        "src/till.js": COMMON_SHOP,
        "test/till.js": COMMON_TEST,
    },
    "beside the modules": {
        "package.json": "{}",
        "src/till.mjs": ES_SHOP,
        "src/till.test.mjs": ES_TEST.replace("../src", ".").replace("js", "mjs"),
        "src/helper.mjs": "export const POUNDS = 2;\n",
    },
}
JEST = {
    "package.json": '{"scripts": {"test": "jest"}}',
    "src/till.js": COMMON_SHOP,
    "test/till.test.js": 'const { price } = require("../src/till");\n'
    'test("price", () => expect(price(2)).toBe(6));\n',
}


@pytest.mark.parametrize("kind", PROJECTS)
def test_drafted_holdouts_register(tmp_path: Path, kind: str) -> None:
    # Otherwise a machine whose sandbox finds no pytest is told how to install it.
    command = ("--test-command", "true") if "pytest" in kind else ()
    # Also a project in a folder of its repository.
    holdout = registered(tmp_path, PROJECTS[kind], *command, is_top="src" in kind)
    assert holdout["wall"][-1] == "shop"


@pytest.mark.parametrize("kind", IN_JAVASCRIPT)
@pytest.mark.parametrize("is_top", [True, False])
def test_drafted_holdouts_in_javascript_register(tmp_path: Path, kind: str, is_top: bool) -> None:
    require("node")
    holdout = registered(tmp_path, IN_JAVASCRIPT[kind], is_top=is_top)
    top = "." if is_top else "./app"
    [module] = (
        one for one in IN_JAVASCRIPT[kind] if one.startswith("src/till.") and "test" not in one
    )
    assert f"{top}/{module}" in holdout["wall"]


def test_no_holdout_of_other_runners_is_drafted(tmp_path: Path) -> None:
    write_files(tmp_path, JEST)
    assert find_unit_tests("node", tmp_path, "npm test") == []


def registered(
    place: Path, files: Mapping[str, str], *words: str, is_top: bool
) -> Mapping[str, Any]:
    """Draft and register the suite of a project; return its only holdout."""
    desk = Desk(place / "all" / "app")
    write_files(desk.folder, files)
    git(desk.folder if is_top else desk.folder.parent, "init", "--quiet")
    for command in (("init", "--yes", *words), ("suite", "init", "scenarios/units")):
        done = desk.do(*command)
        assert done.returncode == 0, done.stderr
    assert "next: attractor suite register scenarios/units" in done.stdout
    git(desk.folder, "add", "--all")
    git(desk.folder, "commit", "--quiet", "--message", "Begin")
    done = desk.do("suite", "register", "scenarios/units", "--sandbox", "none")
    assert done.returncode == 0, done.stderr
    [holdout] = (desk.folder / "scenarios/units/holdout").iterdir()
    return tomllib.loads(holdout.read_text())
