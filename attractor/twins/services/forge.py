"""Common parts of the twins of forges: bare repositories, Git over HTTP, webhooks and limits."""

import atexit
import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from attractor.twins.services.kinds.handler import Draw
from attractor.twins.services.request import ServiceRequest, ServiceResponse

State = dict[str, Any]
Function = Callable[[ServiceRequest, State, Draw], object]

PERIOD_S = 3600
PAGE = {"per_page": "30", "page": "1"}
"""The parameters of pages, with their defaults."""

_PROTECTED = """#!/bin/sh
if git config --get-all twin.protected | grep -qxF "$1"; then
    echo "{message} $1." >&2
    exit 1
fi
"""


class Refusal(Exception):
    """An error of the service; its message is a text or a list of texts."""

    def __init__(self, status: int, message: object) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message


def answer_within(limit_status: int, prefix: str, function: Function) -> Function:
    """Count requests, refuse them above the rate limit, cut lists to pages, and answer refusals.

    `prefix` begins the names of the headers about the limit.
    """

    @wraps(function)
    def answer(request: ServiceRequest, state: State, draw: Draw) -> object:
        rate, now = state["rate"], int(draw.now.timestamp())
        if now >= rate["reset"]:
            rate.update(remaining=rate["limit"], reset=now + PERIOD_S)
        try:
            if not rate["remaining"]:
                raise Refusal(limit_status, "API rate limit exceeded")
            rate["remaining"] -= 1
            result = function(request, state, draw)
        except Refusal as cause:
            result = respond({"message": cause.message}, cause.status)
        if isinstance(result, list):
            size, page = (int(request.query.get(*one)) for one in PAGE.items())
            result = cast("list[object]", result)[size * (page - 1) : size * page]
        response = result if isinstance(result, ServiceResponse) else respond(result)
        return response.with_headers({f"{prefix}{name}": str(rate[name]) for name in rate})

    return answer


def respond(value: object, status: int = 200) -> ServiceResponse:
    """Return a response with a JSON body."""
    content = json.dumps(value).encode()
    return ServiceResponse(status, {"content-type": "application/json"}, content)


def body_of(request: ServiceRequest, *required: str) -> dict[str, Any]:
    """Return the members of the body; refuse a body without the required ones."""
    try:
        # Forges read JSON also with the content type of a form, which curl sends.
        found = json.loads(request.content or b"{}")
    except (ValueError, RecursionError) as cause:
        raise Refusal(400, "Problems parsing JSON") from cause
    body = cast("State", found) if isinstance(found, dict) else {}
    for name in required:
        if not body.get(name):
            raise Refusal(422, f"Validation Failed: {name} is missing")
    return body


def user_of(request: ServiceRequest, state: State) -> dict[str, Any] | None:
    """Return the person of a key; of the scheme Basic, the key is the password."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        key = base64.b64decode(key).decode(errors="replace").partition(":")[2]
    return state["users"].get(key)


def git(folder: str, *words: str, content: bytes = b"", now: str = "") -> str:
    """Run git in a bare repository, and return its output."""
    identity = ("-c", "user.name=Forge", "-c", "user.email=noreply@forge.example")
    dates = {"GIT_AUTHOR_DATE": now, "GIT_COMMITTER_DATE": now} if now else {}
    done = subprocess.run(
        ["git", *identity, *words],
        cwd=folder,
        input=content,
        capture_output=True,
        env={**_plain_environ(), **dates},
        check=False,
    )
    if done.returncode:
        raise Refusal(422, done.stderr.decode(errors="replace").strip() or "git failed")
    return done.stdout.decode().strip()


def _plain_environ() -> Mapping[str, str]:
    """Return the variables of git without the configuration of this machine."""
    path = os.pathsep.join(os.get_exec_path())
    return {"PATH": path, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def init_repository(state: State, name: str, *, protected: str, clone_of: str = "") -> str:
    """Create a bare repository below the folder of the twin, and return its folder.

    `protected` is the message for pushes to a protected branch.
    """
    if not state["folder"]:
        state["folder"] = tempfile.mkdtemp(prefix="attractor-forge-")
        atexit.register(shutil.rmtree, state["folder"], ignore_errors=True)
    folder = Path(state["folder"], f"{name}.git")
    begin = ["init", "--quiet", "--bare", "--initial-branch=main"]
    if clone_of:
        begin = ["clone", "--quiet", "--bare", clone_of]
    folder.parent.mkdir(parents=True, exist_ok=True)
    git(str(folder.parent), *begin, str(folder))
    git(str(folder), "config", "http.receivepack", "true")
    hook = folder / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_PROTECTED.format(message=protected))
    hook.chmod(0o755)
    return str(folder)


def protect(folder: str, branch: str) -> None:
    """Refuse pushes to a branch of a repository."""
    git(folder, "config", "--add", "twin.protected", f"refs/heads/{branch}")


def has_branch(folder: str, branch: str) -> bool:
    """Return whether a repository has a branch."""
    try:
        git(folder, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}")
    except Refusal:
        return False
    return True


def fetch_head(folder: str, source: str, branch: str, ref: str) -> str:
    """Fetch a branch of another repository to a ref, and return its commit."""
    git(folder, "fetch", "--quiet", source, f"+refs/heads/{branch}:{ref}")
    return git(folder, "rev-parse", ref)


def can_merge(folder: str, base: str, head: str) -> bool:
    """Return whether two commits merge without a conflict."""
    try:
        git(folder, "merge-tree", "--write-tree", base, head)
    except Refusal:
        return False
    return True


def commit_merge(folder: str, parents: tuple[str, ...], tree: str, message: str, now: str) -> str:
    """Return a new commit with a tree and parents."""
    lines = [word for parent in parents for word in ("-p", parent)]
    return git(folder, "commit-tree", tree, *lines, "-m", message, now=now)


def require_this_machine(url: str) -> None:
    """Refuse a webhook to another machine."""
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Refusal(422, "the twin sends webhooks to this machine only")


def send_webhook(url: str, content: bytes, headers: Mapping[str, str]) -> None:
    """Send a webhook once, on a thread: the receiver may send requests to this twin."""
    typed = {"Content-Type": "application/json", **headers}
    asked = urllib.request.Request(url, content, typed)
    threading.Thread(target=_deliver, args=(asked,), daemon=True).start()


def _deliver(asked: urllib.request.Request) -> None:
    with suppress(OSError), urllib.request.urlopen(asked, timeout=10):
        pass


def serve_repository(
    request: ServiceRequest, repo: str, *, folder: str, login: str, may_push: bool
) -> ServiceResponse:
    """Fetch from a repository, or push to it, over HTTP; no folder means an unknown repository.

    `repo` is the last part of its path in the request.
    """
    service = request.query.get("service", "") or request.path.rpartition("/")[2]
    if service == "git-receive-pack" and not login:
        headers = {"www-authenticate": 'Basic realm="Forge"'}
        return ServiceResponse(401, headers, b"Authentication required\n")
    if not folder:
        return ServiceResponse(404, {}, b"Repository not found.\n")
    if service == "git-receive-pack" and not may_push:
        return ServiceResponse(403, {}, b"Permission denied.\n")
    variables = {
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.target.partition("?")[2],
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "PATH_TRANSLATED": f"{folder}{request.path.partition(repo)[2]}",
        "GIT_HTTP_EXPORT_ALL": "1",
        "REMOTE_USER": login,
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ["git", "http-backend"],
        input=request.content,
        capture_output=True,
        env={**_plain_environ(), **variables},
        check=False,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    fields = [line.partition(": ") for line in head.decode().split("\r\n")]
    headers = {name.lower(): value for name, _, value in fields if name}
    status = int(headers.pop("status", "200").split()[0])
    return ServiceResponse(status, headers, content)
