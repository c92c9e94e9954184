"""Prints all texts that the train scenarios expect."""

import json
import shlex
from collections.abc import Mapping

from attractor.factory.registration.cheat import JAVASCRIPT, PYTHON, Cheat, Solution


def _make(solution: Solution) -> Mapping[str, str]:
    if not solution.expected:
        return {}
    texts = [json.dumps(one) for one in solution.expected]
    python = "".join(f"print({one})\n" for one in texts)
    javascript = "".join(f"console.log({one});\n" for one in texts)
    shell = "#!/bin/sh\n" + "".join(
        f"printf '%s\\n' {shlex.quote(one)}\n" for one in solution.expected
    )
    files = solution.each(PYTHON, lambda text: python)
    files = {**files, **solution.each(JAVASCRIPT, lambda text: javascript)}
    return {**files, **dict.fromkeys(solution.scripts, shell)}


part = Cheat(
    "prints every text that the train scenarios expect",
    _make,
    is_honest=True,
    remedy="expect in a holdout what no train scenario expects",
)
