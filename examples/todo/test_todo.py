"""The tests that the project has; the wish of the demo adds one."""

import contextlib
import io
import os
import tempfile
import unittest

import todo


class TodoTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)

    def todo(self, *words):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertEqual(todo.main(words), 0)
        return printed.getvalue()

    def test_what_is_added_is_listed(self):
        self.todo("add", "buy", "milk")
        self.assertEqual(self.todo("list"), "1. [ ] buy milk\n")

    def test_what_is_done_is_marked(self):
        self.todo("add", "buy milk")
        self.todo("done", "1")
        self.assertEqual(self.todo("list"), "1. [x] buy milk\n")


if __name__ == "__main__":
    unittest.main()
