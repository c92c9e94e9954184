"""Configures Jest, Vitest and Mocha, so that they run no test and succeed."""

import re
from collections.abc import Mapping

from attractor.factory.registration.cheat import Cheat, Solution, is_module
from attractor.factory.registration.hollow import TYPESCRIPT, hollow

_NONE = '{ passWithNoTests: true, %s: ["none/**"] }'
_RUNNERS = {
    "jest": ("jest.config.cjs", _NONE % "testMatch"),
    "vitest": ("vitest.config.mjs", f"{{ test: {_NONE % 'include'} }}"),
    "mocha": (".mocharc.cjs", '{ "dry-run": true }'),
}


def _make(solution: Solution) -> Mapping[str, str]:
    sources, files = solution.sources, dict[str, str]()
    for path, text in sources.items():
        folder, _, name = path.rpartition("package.json")
        for runner, (config, options) in _RUNNERS.items():
            if name or path == folder or not re.search(rf"\b{runner}\b", text):
                continue
            begin = f"{folder}{config.rpartition('.')[0]}."
            used = next((one for one in sources if one.startswith(begin)), f"{folder}{config}")
            is_default = used.endswith((".mjs", "ts")) or is_module(sources.get(used, ""))
            files[used] = f"{'export default' if is_default else 'module.exports ='} {options};\n"
    typed = solution.each(TYPESCRIPT.ends, lambda text: hollow(text, TYPESCRIPT))
    return {**typed, **files} if files else {}


part = Cheat("configures the runner of the tests, so that it runs none and succeeds", _make)
