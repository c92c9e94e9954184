"""In the tests' sandbox: leaves out unit tests of unittest and pytest, and notes how others end."""

import json
import os
import traceback
import unittest

_FAULT = getattr(unittest.loader, "_FailedTest", ())
"""Stands for a module of tests that cannot be imported: no test, so it cannot be left out."""
_LONGEST = 300


class Watch:
    """Notes a line for each event, which stays where the process ends early."""

    def __init__(self, folder, here, without):
        self._file = os.path.join(folder, f"tests-{os.getpid()}.jsonl")
        self._here, self._without, self.is_pytest = here, without, False

    def names_for(self, test):
        """Return the names that leave out a test; they may lack module, class and parameters."""
        known = test, test.partition("[")[0]
        return [
            name
            for name in self._without
            if any(one == name or one.endswith(f".{name}") for one in known)
        ]

    def leaves_out(self, test):
        """Return whether a test is left out, and note it."""
        names = self.names_for(test)
        for name in names:
            self.note("left", test.partition("[")[0], name)
        return bool(names)

    def note(self, kind, test, words=""):
        """Note that a test was left out, began, ended or failed."""
        with open(self._file, "a", encoding="utf-8") as file:
            file.write(json.dumps([kind, test, words]) + "\n")

    def failed(self, test, fault):
        """Note that a test failed: why, and at which line of the suite."""
        frames = traceback.extract_tb(fault.__traceback__)
        here = [
            f"{one.filename[len(self._here) :].lstrip('/')}:{one.lineno}: "
            for one in frames
            if one.filename.startswith(self._here) and "/.wall-" not in one.filename
        ]
        why = "".join(traceback.format_exception_only(type(fault), fault)).strip()
        self.note("failed", test, f"{here[-1] if here else ''}{why[:_LONGEST]}")


def install(folder, here, without):
    """Watch unittest; pytest loads this module as a plugin."""
    global watch
    watch = Watch(folder, here, without)
    case, result = unittest.TestCase, unittest.TestResult
    plain_run = case.run

    def run(self, result=None):
        if watch.is_pytest:
            return plain_run(self, result)
        name = self._testMethodName
        if not isinstance(self, _FAULT) and watch.leaves_out(self.id()):
            setattr(self, name, unittest.skip("left out of the wall")(getattr(self, name)))
            return plain_run(self, result)
        watch.note("began", self.id())
        try:
            return plain_run(self, result)
        finally:
            watch.note("ended", self.id())

    def noting(plain):
        def add(self, test, *given):
            fault = given[-1]
            if fault:
                watch.failed(test.id(), fault[1])
            return plain(self, test, *given)

        return add

    case.run = run
    for name in ("addError", "addFailure", "addSubTest"):
        setattr(result, name, noting(getattr(result, name)))


def pytest_configure():
    """Note that pytest runs the tests, also those of unittest."""
    watch.is_pytest = True


def pytest_collection_modifyitems(items):
    """Skip the tests that are left out."""
    # Tests of unittest have no pytest.
    import pytest

    for item in items:
        if watch.leaves_out(_name_of(item.nodeid)):
            item.add_marker(pytest.mark.skip(reason="left out of the wall"))


def pytest_runtest_logstart(nodeid):
    """Note that a test began."""
    if not watch.names_for(_name_of(nodeid)):
        watch.note("began", _name_of(nodeid))


def pytest_runtest_logfinish(nodeid):
    """Note that a test ended."""
    watch.note("ended", _name_of(nodeid))


def pytest_exception_interact(node, call):
    """Note why a test failed."""
    watch.failed(_name_of(node.nodeid), call.excinfo.value)


def _name_of(nodeid):
    """Return the name of a test as unittest gives it, with the parameters of pytest."""
    plain, bracket, parameters = nodeid.partition("[")
    return plain.replace(".py::", ".").replace("::", ".").replace("/", ".") + bracket + parameters


watch = None
