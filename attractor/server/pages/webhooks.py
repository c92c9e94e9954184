"""Takes webhooks of a forge: requests with a secret to read pull requests and issues again.

A webhook has no token of this server: GitHub signs it by a secret, and GitLab sends the secret. Its
content is not believed: it names a repository, and the pull requests or issues of this repository
are read from the forge. So a repeated webhook changes nothing, and one with a signature is refused.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from attractor.automations.store import look_for_issues
from attractor.base.files import make_private_folder
from attractor.base.json import parse_object
from attractor.factory.open_project import OpenProject
from attractor.server.errors import Forbidden
from attractor.server.html.rendering import PageRouter
from attractor.server.http.problems import InvalidRequest
from attractor.server.http.scopes import ServerService

part = PageRouter()

SIGNATURE = "x-hub-signature-256"
GITLAB_TOKEN = "x-gitlab-token"
_MOST_KEPT = 1000


async def _read_body(request: Request) -> bytes:
    return await request.body()


@part.post("/webhooks/github")
def take_webhook(
    request: Request, service: ServerService, body: Annotated[bytes, Depends(_read_body)]
) -> Response:
    """Check the signature of a webhook, and let pull requests or labelled issues be read."""
    opened = service.opened
    signature = _require_signature(opened, request.headers, body)
    match parse_object(body):
        case {"action": "labeled", "issue": dict()}:
            _keep_once(opened, signature)
            look_for_issues(opened)
            return Response(status_code=202)
        case {"repository": {"full_name": str(name)}}:
            pass
        case _:
            raise InvalidRequest("the webhook names no repository")
    _keep_once(opened, signature)
    service.asked_pulls.put((opened.identity.project_id(), name))
    return Response(status_code=202)


@part.post("/webhooks/gitlab")
def take_gitlab_webhook(
    request: Request, service: ServerService, body: Annotated[bytes, Depends(_read_body)]
) -> Response:
    """Check the token of a webhook, and let merge requests or labelled issues be read."""
    opened = service.opened
    _require_same("token", request.headers.get(GITLAB_TOKEN, ""), _secret_of(opened))
    match parse_object(body):
        case {"object_kind": "issue"}:
            look_for_issues(opened)
            return Response(status_code=202)
        case {"project": {"path_with_namespace": str(name)}}:
            pass
        case _:
            raise InvalidRequest("the webhook names no project")
    service.asked_pulls.put((opened.identity.project_id(), name))
    return Response(status_code=202)


def _require_signature(opened: OpenProject, headers: Mapping[str, str], body: bytes) -> str:
    """Return the signature of a webhook; refuse an invalid one."""
    digest = hmac.digest(_secret_of(opened).encode(), body, "sha256").hex()
    _require_same("signature", headers.get(SIGNATURE, ""), f"sha256={digest}")
    return digest


def _secret_of(opened: OpenProject) -> str:
    """Return the secret of webhooks; refuse webhooks without one."""
    secret = opened.project.pull_request.hook_secret.get_secret_value()
    if not secret:
        raise Forbidden(
            "webhooks are not accepted", hint="set pull_request.hook_secret in the project"
        )
    return secret


def _require_same(proof: str, sent: str, expected: str) -> None:
    """Refuse a webhook with another signature or token, in constant time."""
    if not hmac.compare_digest(sent.encode(), expected.encode()):
        raise Forbidden(
            f"invalid {proof} of a webhook",
            hint="give the webhook the secret of pull_request.hook_secret",
        )


def _keep_once(opened: OpenProject, signature: str) -> None:
    """Remember a webhook; refuse one that came before."""
    folder = opened.project.machine.state_dir / "server" / "webhooks"
    make_private_folder(folder)
    try:
        (folder / signature).touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Forbidden("replayed webhook") from None
    oldest = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-_MOST_KEPT]
    for file in oldest:
        file.unlink(missing_ok=True)
