"""Regular expressions of suites, which search texts of candidates.

RE2 searches, in linear time. Suites that were sealed before keep the meaning of Python's `re`, in a
process that is killed when the time of the check is over.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from attractor.base.errors import MachineryError
from attractor.base.processes import OutputLimit, run_process
from attractor.scenarios._search import LinearPattern, compile_re
from attractor.scenarios.suite import EDITION

EARLIER = {"edition": EDITION - 1}
"""The context of validation in which the patterns of earlier suites are valid, too."""

_SEARCH = Path(__file__).parent / "_search.py"
_CHEAP = 4_000_000
"""The product of instructions and characters that RE2 searches in a fifth of a second at worst."""


def _is_regex(pattern: str, info: ValidationInfo) -> str:
    if info.context == EARLIER:
        with suppress(ValueError):
            compile_re(pattern)
            return pattern
    LinearPattern(pattern)
    return pattern


Regex = Annotated[str, AfterValidator(_is_regex)]


async def search_texts(pattern: str, texts: Sequence[str], edition: int) -> Sequence[bool]:
    """Return for each text whether a pattern matches somewhere, as in an edition of suites."""
    is_linear = edition >= EDITION
    if is_linear:
        matches = LinearPattern(pattern)
        if matches.instructions * sum(map(len, texts)) <= _CHEAP:
            return [matches(text) for text in texts]
    asked = {"pattern": pattern, "texts": texts, "linear": is_linear}
    found = await run_process(
        [sys.executable, "-P", str(_SEARCH)],
        cwd=_SEARCH.parent,
        env=None,
        timeout=None,
        stdin=json.dumps(asked).encode(),
        keep=OutputLimit(head=8 * len(texts) + 8),
    )
    if found.exit_code:
        raise MachineryError(f"the search for {pattern!r} failed: {found.stderr.strip()[-500:]}")
    return json.loads(found.stdout)
