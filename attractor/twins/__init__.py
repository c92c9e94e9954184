"""Twins: local HTTP servers in place of model providers and other services. Each name is imported
on first use."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.twins.errors import ScriptError
    from attractor.twins.exchange.answer import Answer, Fault, FaultKind
    from attractor.twins.exchange.wire import Conversation
    from attractor.twins.recordings.recording import Recordings, load_recordings
    from attractor.twins.script.script import Script, load_script, parse_script
    from attractor.twins.server.hosting import in_background
    from attractor.twins.server.provider_twin import ProviderTwin
    from attractor.twins.server.virtual_clock import VirtualClock
    from attractor.twins.services.kinds.handler import Draw
    from attractor.twins.services.request import ServiceRequest, ServiceResponse
    from attractor.twins.services.service import load_service, load_services, parse_service
    from attractor.twins.services.service_twin import ServiceTwin

__all__ = [
    "Answer",
    "Conversation",
    "Draw",
    "Fault",
    "FaultKind",
    "ProviderTwin",
    "Recordings",
    "Script",
    "ScriptError",
    "ServiceRequest",
    "ServiceResponse",
    "ServiceTwin",
    "VirtualClock",
    "in_background",
    "load_recordings",
    "load_script",
    "load_service",
    "load_services",
    "parse_script",
    "parse_service",
]

_HOMES = {
    "Answer": "exchange.answer",
    "Conversation": "exchange.wire",
    "Draw": "services.kinds.handler",
    "Fault": "exchange.answer",
    "FaultKind": "exchange.answer",
    "ProviderTwin": "server.provider_twin",
    "Recordings": "recordings.recording",
    "Script": "script.script",
    "ScriptError": "errors",
    "ServiceRequest": "services.request",
    "ServiceResponse": "services.request",
    "ServiceTwin": "services.service_twin",
    "VirtualClock": "server.virtual_clock",
    "in_background": "server.hosting",
    "load_recordings": "recordings.recording",
    "load_script": "script.script",
    "load_service": "services.service",
    "load_services": "services.service",
    "parse_script": "script.script",
    "parse_service": "services.service",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
