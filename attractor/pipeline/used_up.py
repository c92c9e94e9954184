"""What helps a run that stopped for a budget: to go on with more of it."""

import math
import re
from collections.abc import Sequence

_USED_UP = re.compile(r"the budget (?P<name>\w+) is used up: (?P<spent>[\d.e+-]+) of \S+")
_MORE = 2


def more_of_it(reason: str) -> Sequence[str]:
    """Return what `resume` is to be given, by why a run stopped; nothing if for another reason."""
    used = _USED_UP.search(reason)
    if used is None:
        return ()
    wanted = _MORE * float(used["spent"])
    options = {
        "max_cost_usd": ("--max-cost-usd", f"{max(wanted, 0.01):.2f}"),
        "max_tokens": ("--max-tokens", str(max(math.ceil(wanted), 1))),
        "max_duration": ("--max-duration", f"{max(math.ceil(wanted), 1)}s"),
    }
    return options.get(used["name"], ())
