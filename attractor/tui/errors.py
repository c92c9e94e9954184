"""The errors of the terminal interface.

AttractorError
├── RequestRefused    1  a request that the server refused
└── Unavailable
    └── NoServer      3  a server that does not answer
"""

from attractor.base.errors import AttractorError, Unavailable


class RequestRefused(AttractorError):
    """A request that the server refused."""


class NoServer(Unavailable):
    """A server that does not answer."""
