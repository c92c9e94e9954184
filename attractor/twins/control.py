"""What whoever controls a provider twin sees and may do, on a port of its own, with the token."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from attractor.twins.controlled import Face, controlled, request_faces
from attractor.twins.errors import ScriptError
from attractor.twins.script import Script, parse_script
from attractor.twins.state import State

_FILTERS = ("wire", "rule")


def control_application(state: State, token: str, *, is_recording: bool = False) -> Starlette:
    """Show what was asked and which rules answered, and take another script."""

    async def script(request: Request) -> Response:
        return JSONResponse({"rules": state.usage()})

    async def replace_script(request: Request) -> Response:
        if is_recording:
            raise HTTPException(409, "a twin that records has no script: providers answer")
        state.replace_script(_script_of(await request.body()))
        return JSONResponse({"rules": state.usage()})

    async def reset(request: Request) -> Response:
        state.reset()
        return JSONResponse({"reset": True})

    faces = [
        *request_faces(state.log.kept, _FILTERS),
        Face("GET", "/script", script),
        Face("POST", "/reset", reset),
        Face("POST", "/script", replace_script),
    ]
    return controlled(faces, token)


def _script_of(body: bytes) -> Script:
    """Read a script in TOML; one in Python is code, which nobody sends to a running twin."""
    try:
        return parse_script(body.decode())
    except UnicodeDecodeError as cause:
        raise ScriptError(f"the script is not UTF-8: {cause}") from cause
