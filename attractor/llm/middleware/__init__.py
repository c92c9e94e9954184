"""Shipped middleware for calls and streams; each name is imported on first use."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.llm.middleware.costs import Costs, Spent
    from attractor.llm.middleware.disk_cache import DiskCache, replay
    from attractor.llm.middleware.fallback import Fallback, ModelName, may_fall_back
    from attractor.llm.middleware.logging import Logging
    from attractor.llm.middleware.rate_limit import Limit, RateLimit, RateLimits
    from attractor.llm.middleware.redaction import WELL_KNOWN, Redaction

__all__ = [
    "Costs",
    "DiskCache",
    "Fallback",
    "Limit",
    "Logging",
    "ModelName",
    "RateLimit",
    "RateLimits",
    "Redaction",
    "Spent",
    "WELL_KNOWN",
    "may_fall_back",
    "replay",
]

_HOMES = {
    "Costs": "costs",
    "DiskCache": "disk_cache",
    "Fallback": "fallback",
    "Limit": "rate_limit",
    "Logging": "logging",
    "ModelName": "fallback",
    "RateLimit": "rate_limit",
    "RateLimits": "rate_limit",
    "Redaction": "redaction",
    "Spent": "costs",
    "WELL_KNOWN": "redaction",
    "may_fall_back": "fallback",
    "replay": "disk_cache",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
