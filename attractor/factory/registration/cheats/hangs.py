"""Does not end."""

from collections.abc import Mapping
from datetime import timedelta

from attractor.factory.registration.cheat import JAVASCRIPT, PYTHON, Cheat, Solution


def _make(solution: Solution) -> Mapping[str, str]:
    python = solution.each(PYTHON, lambda text: "import time\n\nwhile True:\n    time.sleep(60)\n")
    javascript = solution.each(JAVASCRIPT, lambda text: "setInterval(() => {}, 1000);\n")
    scripts = dict.fromkeys(solution.scripts, "#!/bin/sh\nwhile :; do sleep 60; done\n")
    return {**python, **javascript, **scripts}


part = Cheat(
    "does not end",
    _make,
    is_honest=True,
    limit=timedelta(seconds=2),
    remedy="check what the candidate prints or writes before it is stopped",
)
