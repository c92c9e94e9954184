"""A project with twenty wrong solutions, each with a canary in its id and in its patch."""

import re
import shutil
from pathlib import Path

from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.pipeline.projects import LINEAR, git
from tests.scenarios.suites import SUITE, write_files

CANARIES = tuple(f"quokka-{number:02}" for number in range(20))
PATTERN = "quokka-[0-9]{2}"
FOLDER = "scenarios/hidden"
"""The folder of the suite in the project."""

_PATCH = """\
diff --git a/made.txt b/made.txt
new file mode 100644
--- /dev/null
+++ b/made.txt
@@ -0,0 +1 @@
+{}
"""
_ROW = '[[wrong]]\nid = "{}"\non = ""\nnoticed_by = ["made"]\n'


def canaries_in(text: str) -> list[str]:
    return sorted({*re.findall(PATTERN, text)})


def canaries_below(folder: Path, *without: str) -> list[str]:
    """Return the canaries in the names and contents of files, except for those in some folders."""
    files = [one for one in folder.rglob("*") if one.is_file() and not {*without} & {*one.parts}]
    assert files
    return canaries_in(" ".join(f"{one} {one.read_bytes().decode('latin-1')}" for one in files))


def make_flow_with_canaries(
    tmp_path: Path, *, run: str = "cat made.txt", pipeline: str = LINEAR, **files: str
) -> Flow:
    """Make a project with its registered suite and some files committed; a holdout runs `run`."""
    patches = {f"wrong/{one}.patch": _PATCH.format(one) for one in CANARIES}
    write_files(tmp_path / "suite", patches)
    held = HOLDOUT.format(wanted="made").replace("cat made.txt", run)
    flow = make_flow(tmp_path, suite=SUITE + "".join(map(_ROW.format, CANARIES)), made=held)
    write_files(flow.project, {"pipeline.dot": pipeline, **files})
    shutil.copytree(tmp_path / "suite", flow.project / FOLDER)
    commit(flow.project)
    return flow


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "More")
