"""Errors of files that are written into projects.

AttractorError
└── DraftRefused  the model wrote no valid pipeline
"""

from attractor.base.errors import AttractorError


class DraftRefused(AttractorError):
    """The model wrote no valid pipeline."""
