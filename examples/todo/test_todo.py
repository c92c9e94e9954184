"""The tests that the project has; the wish of the demo adds one."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TODO = str(Path(__file__).parent / "todo.py")


class TodoTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def todo(self, *words):
        result = subprocess.run(
            [sys.executable, TODO, *words],
            cwd=self.folder.name,
            env=os.environ,
            capture_output=True,
            text=True,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_what_is_added_is_listed(self):
        self.todo("add", "buy", "milk")
        self.assertEqual(self.todo("list"), "1. [ ] buy milk\n")

    def test_what_is_done_is_marked(self):
        self.todo("add", "buy milk")
        self.todo("done", "1")
        self.assertEqual(self.todo("list"), "1. [x] buy milk\n")


if __name__ == "__main__":
    unittest.main()
