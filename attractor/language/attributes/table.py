"""Every attribute that means something to Attractor, in one table.

Parsing, linting, the reference and editors read it. What Graphviz alone reads is in `graphviz.py`.
"""

from collections.abc import Mapping

from attractor.language.attributes.describing import DESCRIBING
from attractor.language.attributes.failures import FAILURES
from attractor.language.attributes.known import KnownAttribute
from attractor.language.attributes.limits import LIMITS
from attractor.language.attributes.models import MODELS
from attractor.language.attributes.routes import ROUTES

ATTRIBUTES: Mapping[str, KnownAttribute] = {
    row.name: row for row in (*DESCRIBING, *MODELS, *FAILURES, *LIMITS, *ROUTES)
}
"""Every known attribute by its name."""
