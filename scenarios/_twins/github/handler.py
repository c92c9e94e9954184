"""GitHub: issues, pull requests, checks and webhooks, over real bare repositories.

A person acts by requests with a key of their own (`state.users`): the key of the reviewer writes
remarks and merges, the key of the checks reports checks, and the key of the stranger may only read
and comment.
"""

import atexit
import base64
import hmac
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attractor.twins import Draw, ServiceRequest, ServiceResponse

State = dict[str, Any]
Function = Callable[[ServiceRequest, State, Draw], object]

RANKS = ("none", "read", "write", "admin")
PERIOD_S = 3600
PAGE = {"per_page": "30", "page": "1"}
"""The parameters of pages, with their defaults."""

PROTECTED = """#!/bin/sh
if git config --get-all twin.protected | grep -qxF "$1"; then
    echo "error: GH006: Protected branch update failed for $1." >&2
    exit 1
fi
"""


class Refusal(Exception):
    """An error of the service."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def answered(function: Function) -> Function:
    """Count the request, refuse it above the rate limit, and answer refusals as GitHub does."""

    @wraps(function)
    def answer(request: ServiceRequest, state: State, draw: Draw) -> object:
        rate, now = state["rate"], int(draw.now.timestamp())
        if now >= rate["reset"]:
            rate.update(remaining=rate["limit"], reset=now + PERIOD_S)
        try:
            if not rate["remaining"]:
                raise Refusal(403, "API rate limit exceeded")
            rate["remaining"] -= 1
            result = function(request, state, draw)
        except Refusal as cause:
            result = respond({"message": cause.message}, cause.status)
        if isinstance(result, list):
            size, page = (int(request.query.get(*one)) for one in PAGE.items())
            result = result[size * (page - 1) : size * page]
        response = result if isinstance(result, ServiceResponse) else respond(result)
        return response.with_headers({f"x-ratelimit-{name}": str(rate[name]) for name in rate})

    return answer


def respond(value: object, status: int = 200) -> ServiceResponse:
    """Return a response with a JSON body."""
    content = json.dumps(value).encode()
    return ServiceResponse(status, {"content-type": "application/json"}, content)


def git(folder: str, *words: str, content: bytes = b"", now: str = "") -> str:
    """Run git in a bare repository, and return its output."""
    identity = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.example")
    dates = {"GIT_AUTHOR_DATE": now, "GIT_COMMITTER_DATE": now} if now else {}
    done = subprocess.run(
        ["git", *identity, *words],
        cwd=folder,
        input=content,
        capture_output=True,
        env={**plain_environ(), **dates},
        check=False,
    )
    if done.returncode:
        raise Refusal(422, done.stderr.decode(errors="replace").strip() or "git failed")
    return done.stdout.decode().strip()


def plain_environ() -> dict[str, str]:
    """Return the variables of git without the configuration of this machine."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": path, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def user_of(request: ServiceRequest, state: State) -> dict[str, Any]:
    """Return the person of a key; of the scheme Basic, the key is the password."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        key = base64.b64decode(key).decode(errors="replace").partition(":")[2]
    return state["users"].get(key, {"login": "", "permission": "none"})


def login_of(request: ServiceRequest, state: State) -> str:
    """Return the login of the person who sends a request."""
    return str(user_of(request, state)["login"])


def body_of(request: ServiceRequest, *required: str) -> dict[str, Any]:
    """Return the members of the body; refuse a body without the required ones."""
    try:
        # GitHub reads JSON also with the content type of a form, which curl sends.
        found = json.loads(request.content or b"{}")
    except ValueError as cause:
        raise Refusal(400, "Problems parsing JSON") from cause
    body = found if isinstance(found, dict) else {}
    for name in required:
        if not body.get(name):
            raise Refusal(422, f"Validation Failed: {name} is missing")
    return dict(body)


def name_in(draw: Draw) -> str:
    """Return the name of the repository in the path."""
    return f"{draw.from_path['owner']}/{draw.from_path['repo'].removesuffix('.git')}"


def repository_of(state: State, draw: Draw) -> dict[str, Any]:
    """Return the repository in the path."""
    found = state["repositories"].get(name_in(draw))
    if found is None:
        raise Refusal(404, "Not Found")
    return found


def permission_in(state: State, repository: dict[str, Any], login: str) -> str:
    """Return what a person may do in a repository."""
    if login and login == repository["owner"]:
        return "admin"
    people = {one["login"]: one["permission"] for one in state["users"].values()}
    granted = people.get(login, "none")
    return "read" if repository["fork_of"] and granted != "none" else granted


def require(wanted: str, request: ServiceRequest, state: State, repository: dict[str, Any]) -> str:
    """Return the login of the person; refuse one who has fewer rights."""
    login = login_of(request, state)
    if RANKS.index(permission_in(state, repository, login)) < RANKS.index(wanted):
        raise Refusal(403, "Resource not accessible by personal access token")
    return login


def add_repository(state: State, owner: str, name: str, *, fork_of: str = "") -> dict[str, Any]:
    """Create a bare repository."""
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name):
        raise Refusal(422, "Validation Failed: invalid name")
    full_name = f"{owner}/{name}"
    if full_name in state["repositories"]:
        raise Refusal(422, "name already exists on this account")
    if not state["folder"]:
        state["folder"] = tempfile.mkdtemp(prefix="attractor-github-")
        atexit.register(shutil.rmtree, state["folder"], ignore_errors=True)
    folder = str(Path(state["folder"], f"{full_name}.git"))
    begin = ["init", "--quiet", "--bare", "--initial-branch=main"]
    if fork_of:
        begin = ["clone", "--quiet", "--bare", state["repositories"][fork_of]["folder"]]
    Path(folder).parent.mkdir(parents=True, exist_ok=True)
    git(str(Path(folder).parent), *begin, folder)
    git(folder, "config", "http.receivepack", "true")
    hook = Path(folder, "hooks", "update")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(PROTECTED)
    hook.chmod(0o755)
    made = {"full_name": full_name, "owner": owner, "default_branch": "main", "hooks": []}
    state["repositories"][full_name] = made | {"folder": folder, "fork_of": fork_of}
    return state["repositories"][full_name]


def shown_repository(
    request: ServiceRequest, state: State, repository: dict[str, Any]
) -> dict[str, Any]:
    """Return a repository as the service shows it."""
    rank = RANKS.index(permission_in(state, repository, login_of(request, state)))
    host = request.headers.get("host", "127.0.0.1")
    return {
        "full_name": repository["full_name"],
        "default_branch": repository["default_branch"],
        "fork": bool(repository["fork_of"]),
        "clone_url": f"http://{host}/{repository['full_name']}.git",
        "permissions": {"pull": rank >= 1, "push": rank >= 2, "admin": rank >= 3},
    }


def tell_hooks(repository: dict[str, Any], event: str, data: dict[str, Any], draw: Draw) -> None:
    """Send an event to the webhooks of a repository, each with its signature."""
    payload = {**data, "repository": {"full_name": repository["full_name"]}}
    content = json.dumps(payload).encode()
    for hook in repository["hooks"]:
        if event not in hook["events"]:
            continue
        digest = hmac.digest(hook["secret"].encode(), content, "sha256").hex()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": draw.uuid(),
            "X-Hub-Signature-256": f"sha256={digest}",
        }
        asked = urllib.request.Request(hook["url"], content, headers)
        # On a thread: the receiver may send requests to this twin.
        threading.Thread(target=deliver, args=(asked,), daemon=True).start()


def deliver(asked: urllib.request.Request) -> None:
    """Send a webhook once."""
    with suppress(OSError), urllib.request.urlopen(asked, timeout=10):
        pass


@answered
def show_user(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the person of the key."""
    return {"login": login_of(request, state)}


@answered
def create_repository(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Create a repository of the person."""
    name = str(body_of(request, "name")["name"])
    made = add_repository(state, login_of(request, state), name)
    return respond(shown_repository(request, state, made), 201)


@answered
def show_repository(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return a repository, and what the person may do in it."""
    return shown_repository(request, state, repository_of(state, draw))


@answered
def fork_repository(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Copy a repository for the person."""
    source = repository_of(state, draw)
    owner, name = login_of(request, state), source["full_name"].partition("/")[2]
    made = add_repository(state, owner, name, fork_of=source["full_name"])
    return respond(shown_repository(request, state, made), 202)


@answered
def create_hook(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Add a webhook to an address of this machine."""
    repository = repository_of(state, draw)
    require("admin", request, state, repository)
    body = body_of(request, "config", "events")
    config = body["config"]
    if urlsplit(config["url"]).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Refusal(422, "the twin sends webhooks to this machine only")
    hook = {"url": config["url"], "secret": config.get("secret", ""), "events": body["events"]}
    repository["hooks"].append(hook)
    return respond({"id": draw.counter("hooks"), "events": hook["events"]}, 201)


@answered
def protect_branch(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Refuse pushes to a branch."""
    repository = repository_of(state, draw)
    require("admin", request, state, repository)
    branch = f"refs/heads/{draw.from_path['branch']}"
    git(repository["folder"], "config", "--add", "twin.protected", branch)
    return {"url": branch}


@answered
def show_permission(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return what a person may do in a repository."""
    repository = repository_of(state, draw)
    require("write", request, state, repository)
    login = draw.from_path["login"]
    if login not in [one["login"] for one in state["users"].values()]:
        raise Refusal(404, "Not Found")
    return {"permission": permission_in(state, repository, login), "user": {"login": login}}


def item_of(state: State, draw: Draw) -> dict[str, Any]:
    """Return the issue or pull request in the path."""
    key = f"{name_in(draw)}#{draw.from_path['number']}"
    found = state["issues"].get(key) or state["pulls"].get(key)
    if found is None:
        raise Refusal(404, "Not Found")
    return found


def new_item(request: ServiceRequest, state: State, draw: Draw) -> dict[str, Any]:
    """Return the common members of a new issue or pull request."""
    body = body_of(request, "title")
    number = draw.counter(name_in(draw))
    return {
        "number": number,
        "repository": name_in(draw),
        "title": str(body["title"]),
        "body": str(body.get("body") or ""),
        "state": "open",
        "user": {"login": login_of(request, state)},
        "labels": [{"name": str(one)} for one in body.get("labels") or []],
        "html_url": f"http://{request.headers.get('host', '127.0.0.1')}/{name_in(draw)}/{number}",
        "created_at": draw.written_now,
    }


@answered
def list_issues(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the issues of a repository with the wanted labels."""
    wanted = set(filter(None, request.query.get("labels", "").split(",")))
    status = request.query.get("state", "open")
    return [
        one
        for one in state["issues"].values()
        if one["repository"] == name_in(draw)
        and status in ("all", one["state"])
        and wanted <= {label["name"] for label in one["labels"]}
    ]


@answered
def create_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Open an issue."""
    made = new_item(request, state, draw)
    state["issues"][f"{name_in(draw)}#{made['number']}"] = made
    return respond(made, 201)


@answered
def update_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Change title, text or state of an issue."""
    require("write", request, state, repository_of(state, draw))
    found, body = item_of(state, draw), body_of(request)
    found.update({name: body[name] for name in ("title", "body", "state") if name in body})
    return found


@answered
def add_labels(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Add labels to an issue or pull request."""
    repository = repository_of(state, draw)
    login = require("write", request, state, repository)
    found = item_of(state, draw)
    known = [one["name"] for one in found["labels"]]
    for name in dict.fromkeys(body_of(request, "labels")["labels"]):
        if name not in known:
            found["labels"].append({"name": str(name)})
            data = {"action": "labeled", "label": {"name": str(name)}, "sender": {"login": login}}
            kind = "pull_request" if "head" in found else "issue"
            event = "pull_request" if "head" in found else "issues"
            tell_hooks(repository, event, {**data, kind: found}, draw)
    return found["labels"]


def listed(state: State, draw: Draw, kind: str) -> list[dict[str, Any]]:
    """Return the comments, remarks or reviews of an issue or pull request."""
    found = item_of(state, draw)
    return state[kind].setdefault(f"{name_in(draw)}#{found['number']}", [])


def add_words(
    request: ServiceRequest, state: State, draw: Draw, kind: str, more: dict[str, Any]
) -> ServiceResponse:
    """Add a comment, a remark or a review, and tell the webhooks."""
    repository, login = repository_of(state, draw), login_of(request, state)
    made = {
        "id": draw.counter(kind),
        "user": {"login": login},
        "body": str(body_of(request).get("body") or ""),
        "created_at": draw.written_now,
        **more,
    }
    listed(state, draw, kind).append(made)
    event = {
        "comments": "issue_comment",
        "remarks": "pull_request_review_comment",
        "reviews": "pull_request_review",
    }[kind]
    data = {"action": "created", "comment": made, "sender": {"login": login}}
    tell_hooks(repository, event, {**data, "number": item_of(state, draw)["number"]}, draw)
    return respond(made, 201)


@answered
def list_comments(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the comments of an issue or pull request."""
    return listed(state, draw, "comments")


@answered
def create_comment(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Comment an issue or pull request."""
    body_of(request, "body")
    return add_words(request, state, draw, "comments", {})


@answered
def list_review_comments(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the remarks about lines of a pull request."""
    return listed(state, draw, "remarks")


@answered
def create_review_comment(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Comment a line of a pull request."""
    body = body_of(request, "body", "path", "line")
    more = {"path": body["path"], "line": body["line"], "commit_id": body.get("commit_id", "")}
    return add_words(request, state, draw, "remarks", more)


@answered
def list_reviews(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the reviews of a pull request."""
    return listed(state, draw, "reviews")


@answered
def create_review(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Review a pull request."""
    states = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
    more = {"state": states.get(str(body_of(request).get("event")), "COMMENTED")}
    return add_words(request, state, draw, "reviews", more)


def head_folder(state: State, pull: dict[str, Any]) -> str:
    """Return the repository of the branch of a pull request."""
    return str(state["repositories"][pull["head"]["repo"]["full_name"]]["folder"])


def refresh(state: State, repository: dict[str, Any], pull: dict[str, Any]) -> dict[str, Any]:
    """Return a pull request as it is now: the tip of its branch, and whether it can be merged."""
    if pull["state"] != "open":
        return pull
    folder, number = repository["folder"], pull["number"]
    source = f"+refs/heads/{pull['head']['ref']}:refs/pull/{number}/head"
    git(folder, "fetch", "--quiet", head_folder(state, pull), source)
    pull["head"]["sha"] = git(folder, "rev-parse", f"refs/pull/{number}/head")
    pull["base"]["sha"] = git(folder, "rev-parse", f"refs/heads/{pull['base']['ref']}")
    try:
        git(folder, "merge-tree", "--write-tree", pull["base"]["sha"], pull["head"]["sha"])
        pull.update(mergeable=True, mergeable_state="clean")
    except Refusal:
        pull.update(mergeable=False, mergeable_state="dirty")
    return pull


def pull_of(state: State, draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the repository and the pull request in the path."""
    repository, found = repository_of(state, draw), item_of(state, draw)
    if "head" not in found:
        raise Refusal(404, "Not Found")
    return repository, refresh(state, repository, found)


@answered
def list_pulls(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the pull requests of a repository, of a branch if `head` names one."""
    repository, query = repository_of(state, draw), request.query
    return [
        refresh(state, repository, one)
        for one in state["pulls"].values()
        if one["repository"] == repository["full_name"]
        and query.get("state", "open") in ("all", one["state"])
        and query.get("head", one["head"]["label"]) == one["head"]["label"]
    ]


@answered
def create_pull(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Open a pull request from a branch of the repository, or of a fork."""
    repository, body = repository_of(state, draw), body_of(request, "title", "head", "base")
    owner, _, branch = str(body["head"]).rpartition(":")
    name = f"{owner or repository['owner']}/{repository['full_name'].partition('/')[2]}"
    source = state["repositories"].get(name)
    if source is None:
        raise Refusal(422, "Validation Failed: head is invalid")
    require("write", request, state, source)
    label = f"{source['owner']}:{branch}"
    if any(one["head"]["label"] == label and one["state"] == "open" for one in _pulls(state, draw)):
        raise Refusal(422, f"A pull request already exists for {label}.")
    made = {
        **new_item(request, state, draw),
        "head": {"ref": branch, "label": label, "repo": {"full_name": name}, "sha": ""},
        "base": {"ref": str(body["base"]), "sha": ""},
        "draft": bool(body.get("draft")),
        "merged": False,
        "merge_commit_sha": None,
    }
    refresh(state, repository, made)
    state["pulls"][f"{name_in(draw)}#{made['number']}"] = made
    tell_hooks(repository, "pull_request", {"action": "opened", "pull_request": made}, draw)
    return respond(made, 201)


def _pulls(state: State, draw: Draw) -> list[dict[str, Any]]:
    return [one for one in state["pulls"].values() if one["repository"] == name_in(draw)]


@answered
def show_pull(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return a pull request."""
    return pull_of(state, draw)[1]


@answered
def update_pull(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Change title, text or state of a pull request."""
    repository, found = pull_of(state, draw)
    require("write", request, state, repository)
    body = body_of(request)
    found.update({name: body[name] for name in ("title", "body", "state") if name in body})
    if found["state"] == "closed":
        tell_hooks(repository, "pull_request", {"action": "closed", "pull_request": found}, draw)
    return found


@answered
def merge_pull(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Merge a pull request: by a merge commit, or by one commit with all changes."""
    repository, found = pull_of(state, draw)
    require("write", request, state, repository)
    if found["state"] != "open" or not found.get("mergeable"):
        raise Refusal(405, "Pull Request is not mergeable")
    folder, base, head = repository["folder"], found["base"]["sha"], found["head"]["sha"]
    is_squash = body_of(request).get("merge_method") == "squash"
    tree = git(folder, "merge-tree", "--write-tree", base, head)
    parents = ["-p", base] if is_squash else ["-p", base, "-p", head]
    message = f"{found['title']} (#{found['number']})"
    words = ("commit-tree", tree, *parents, "-m", message)
    commit = git(folder, *words, now=draw.written_now)
    git(folder, "update-ref", f"refs/heads/{found['base']['ref']}", commit, base)
    found.update(state="closed", merged=True, merge_commit_sha=commit)
    tell_hooks(repository, "pull_request", {"action": "closed", "pull_request": found}, draw)
    return {"sha": commit, "merged": True, "message": "Pull Request successfully merged"}


def about_commit(state: State, draw: Draw, kind: str, sha: str) -> list[dict[str, Any]]:
    """Return the statuses or checks of a commit."""
    return state[kind].setdefault(f"{name_in(draw)}@{sha}", [])


@answered
def create_status(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Set the status of a commit in a context."""
    require("write", request, state, repository_of(state, draw))
    body, sha = body_of(request, "state"), draw.from_path["sha"]
    made = {name: str(body.get(name) or "") for name in ("state", "description", "target_url")}
    made |= {"id": draw.counter("statuses"), "context": str(body.get("context") or "default")}
    about_commit(state, draw, "statuses", sha).append(made)
    return respond(made, 201)


@answered
def show_status(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the latest status of a commit in each context."""
    found = about_commit(state, draw, "statuses", draw.from_path["sha"])
    latest = list({one["context"]: one for one in found}.values())
    states = {one["state"] for one in latest}
    is_red = bool(states & {"failure", "error"})
    total = "failure" if is_red else "success" if states == {"success"} else "pending"
    return {"state": total, "statuses": latest, "sha": draw.from_path["sha"]}


@answered
def create_check(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Report a check; one with a `log` is a job of GitHub Actions."""
    repository = repository_of(state, draw)
    require("write", request, state, repository)
    body = body_of(request, "name", "head_sha")
    number, log = draw.counter("checks"), str(body.get("log") or "")
    made = {
        "id": number,
        "name": str(body["name"]),
        "head_sha": str(body["head_sha"]),
        "status": str(body.get("status") or "completed"),
        "conclusion": body.get("conclusion"),
        "output": body.get("output") or {"title": None, "summary": None, "text": None},
        "app": {"slug": "github-actions" if log else "checks"},
    }
    if log:
        state["logs"][str(number)] = log
    about_commit(state, draw, "checks", made["head_sha"]).append(made)
    tell_hooks(repository, "check_run", {"action": "completed", "check_run": made}, draw)
    return respond(made, 201)


@answered
def list_checks(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the checks of a commit, the latest of each name."""
    found = about_commit(state, draw, "checks", draw.from_path["sha"])
    latest = list({one["name"]: one for one in found}.values())
    return {"total_count": len(latest), "check_runs": latest}


@answered
def find_log(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Redirect to the log of a job."""
    if draw.from_path["id"] not in state["logs"]:
        raise Refusal(404, "Not Found")
    host = request.headers.get("host", "127.0.0.1")
    return ServiceResponse(302, {"location": f"http://{host}/logs/{draw.from_path['id']}"})


def show_log(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the log of a job."""
    log = state["logs"].get(draw.from_path["id"])
    headers = {"content-type": "text/plain; charset=utf-8"}
    return ServiceResponse(404 if log is None else 200, headers, (log or "").encode())


def serve_git(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Fetch from a repository, or push to it with a key that may write."""
    repository = state["repositories"].get(name_in(draw))
    service = request.query.get("service", "") or request.path.rpartition("/")[2]
    login = login_of(request, state)
    if service == "git-receive-pack" and not login:
        headers = {"www-authenticate": 'Basic realm="GitHub"'}
        return ServiceResponse(401, headers, b"Authentication required\n")
    if repository is None:
        return ServiceResponse(404, {}, b"Repository not found.\n")
    rank = RANKS.index(permission_in(state, repository, login))
    if service == "git-receive-pack" and rank < RANKS.index("write"):
        return ServiceResponse(403, {}, b"Permission denied.\n")
    suffix = request.path.partition(draw.from_path["repo"])[2]
    variables = {
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.target.partition("?")[2],
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "PATH_TRANSLATED": f"{repository['folder']}{suffix}",
        "GIT_HTTP_EXPORT_ALL": "1",
        "REMOTE_USER": login,
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ["git", "http-backend"],
        input=request.content,
        capture_output=True,
        env={**plain_environ(), **variables},
        check=False,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    fields = [line.partition(": ") for line in head.decode().split("\r\n")]
    headers = {name.lower(): value for name, _, value in fields if name}
    status = int(headers.pop("status", "200").split()[0])
    return ServiceResponse(status, headers, content)
