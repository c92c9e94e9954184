"""Writes the reports that checks read: all passed."""

from collections.abc import Mapping

from attractor.factory.registration.cheat import Cheat, Solution, all_cheats

_JSON = """{"reward": 1.0, "score": 1.0, "passed": true, "success": true, "status": "passed",
"summary": {"passed": 1, "failed": 0, "total": 1}, "totals": {"percent_covered": 100.0}}
"""
_JUNIT = """<testsuites tests="1" failures="0" errors="0">
<testsuite name="all" tests="1" failures="0" errors="0" skipped="0">
<testcase classname="all" name="works"/></testsuite></testsuites>
"""
_COVERAGE = '<coverage line-rate="1" branch-rate="1" lines-covered="1" lines-valid="1"/>\n'
_FILES = {
    **{"reward.json": _JSON, "reward.txt": "1\n", "coverage.json": _JSON},
    **{"report.xml": _JUNIT, "junit.xml": _JUNIT, "coverage.xml": _COVERAGE},
}
_ENDS = {"json": _JSON, "xml": _JUNIT}


def _make(solution: Solution) -> Mapping[str, str]:
    files: dict[str, str] = {}
    for name, cheat in all_cheats().items():
        if name.endswith("-exits"):
            files |= cheat.make(solution)
    read = {
        path: text or _ENDS.get(path.rpartition(".")[2], "100% passed\n")
        for path, text in solution.read.items()
    }
    return {**_FILES, **read, **files} if files and solution.reads_files else {}


part = Cheat("writes reports that say that all passed", _make)
