"""GitHub: issues, pull requests, checks and webhooks, over real bare repositories.

A person acts by requests with a key of their own (`state.users`): the key of the reviewer writes
remarks and merges, the key of the checks reports checks, the key of the helper sets labels without
write access, and the key of the stranger may only read, comment and open issues.
"""

import hmac
import json
import re
from dataclasses import replace
from functools import wraps
from typing import Any

from attractor.twins import Draw, ServiceRequest, ServiceResponse
from attractor.twins.services.forge import (
    Function,
    Refusal,
    State,
    answer_within,
    body_of,
    can_merge,
    commit_merge,
    fetch_head,
    git,
    has_branch,
    init_repository,
    protect,
    require_this_machine,
    respond,
    send_webhook,
    serve_repository,
    user_of,
)

RANKS = ("none", "read", "triage", "write", "admin")
TIMELINE = 100
PROTECTED = "error: GH006: Protected branch update failed for"


def answered(function: Function) -> Function:
    """Count the request, refuse it above the rate limit, and answer refusals as GitHub does."""
    return answer_within(403, "x-ratelimit-", function)


def answered_in_graph(function: Function) -> Function:
    """Answer refusals as GraphQL does: with the status 200, also above the rate limit."""
    answer = answered(function)

    @wraps(function)
    def in_graph(request: ServiceRequest, state: State, draw: Draw) -> object:
        response = answer(request, state, draw)
        assert isinstance(response, ServiceResponse)
        if response.status < 400:
            return response
        kind = "RATE_LIMITED" if response.status == 403 else "INVALID"
        errors = [{"type": kind, "message": json.loads(response.content)["message"]}]
        return replace(response, status=200, content=json.dumps({"errors": errors}).encode())

    return in_graph


def login_of(request: ServiceRequest, state: State) -> str:
    """Return the login of the person who sends a request."""
    user = user_of(request, state)
    return str(user["login"]) if user else ""


def name_in(draw: Draw) -> str:
    """Return the name of the repository in the path, whose case does not matter."""
    return f"{draw.from_path['owner']}/{draw.from_path['repo'].removesuffix('.git')}".casefold()


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


def includes(granted: str, wanted: str) -> bool:
    """Return whether a permission includes another one."""
    return RANKS.index(granted) >= RANKS.index(wanted)


def require(wanted: str, request: ServiceRequest, state: State, repository: dict[str, Any]) -> str:
    """Return the login of the person; refuse one who has fewer rights."""
    login = login_of(request, state)
    if not includes(permission_in(state, repository, login), wanted):
        raise Refusal(403, "Resource not accessible by personal access token")
    return login


def add_repository(state: State, owner: str, name: str, *, fork_of: str = "") -> dict[str, Any]:
    """Create a bare repository."""
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name):
        raise Refusal(422, "Validation Failed: invalid name")
    full_name = f"{owner}/{name}"
    key = full_name.casefold()
    if key in state["repositories"]:
        raise Refusal(422, "name already exists on this account")
    source = state["repositories"][fork_of.casefold()]["folder"] if fork_of else ""
    folder = init_repository(state, full_name, protected=PROTECTED, clone_of=source)
    made = {"full_name": full_name, "owner": owner, "default_branch": "main", "hooks": []}
    state["repositories"][key] = made | {"folder": folder, "fork_of": fork_of}
    return state["repositories"][key]


def shown_repository(
    request: ServiceRequest, state: State, repository: dict[str, Any]
) -> dict[str, Any]:
    """Return a repository as the service shows it."""
    granted = permission_in(state, repository, login_of(request, state))
    host = request.headers.get("host", "127.0.0.1")
    return {
        "full_name": repository["full_name"],
        "default_branch": repository["default_branch"],
        "fork": bool(repository["fork_of"]),
        "clone_url": f"http://{host}/{repository['full_name']}.git",
        "permissions": {
            name: includes(granted, rank)
            for name, rank in {"pull": "read", "push": "write", "admin": "admin"}.items()
        },
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
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": draw.uuid(),
            "X-Hub-Signature-256": f"sha256={digest}",
        }
        send_webhook(hook["url"], content, headers)


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
    require_this_machine(config["url"])
    hook = {"url": config["url"], "secret": config.get("secret", ""), "events": body["events"]}
    repository["hooks"].append(hook)
    return respond({"id": draw.counter("hooks"), "events": hook["events"]}, 201)


@answered
def protect_branch(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Refuse pushes to a branch."""
    repository = repository_of(state, draw)
    require("admin", request, state, repository)
    protect(repository["folder"], draw.from_path["branch"])
    return {"url": f"refs/heads/{draw.from_path['branch']}"}


@answered
def show_permission(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return what a person may do in a repository."""
    repository = repository_of(state, draw)
    require("write", request, state, repository)
    login = draw.from_path["login"]
    if login not in [one["login"] for one in state["users"].values()]:
        raise Refusal(404, "Not Found")
    granted = permission_in(state, repository, login)
    # As GitHub does: this member has no word for the role `triage`.
    shown = "read" if granted == "triage" else granted
    return {"permission": shown, "role_name": granted, "user": {"login": login}}


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
        "labels": [],
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
    # Apps with issues alone create no repository.
    repository, login = state["repositories"].get(name_in(draw)), login_of(request, state)
    made = new_item(request, state, draw)
    state["issues"][key_of(made)] = made
    # Labels of people who may not set them are left out silently.
    if repository is None or includes(permission_in(state, repository, login), "triage"):
        for name in body_of(request).get("labels") or []:
            set_label(state, draw, made, str(name), login)
    return respond(made, 201)


@answered
def show_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return an issue, with the number of its comments."""
    return {**item_of(state, draw), "comments": len(listed(state, draw, "comments"))}


@answered
def update_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Change title, text or state of an issue; its author may, too."""
    repository, found, body = repository_of(state, draw), item_of(state, draw), body_of(request)
    login = login_of(request, state)
    if login != found["user"]["login"]:
        require("triage", request, state, repository)
    if body.get("title", found["title"]) != found["title"]:
        names = {"from": found["title"], "to": str(body["title"])}
        note_event(state, draw, found, "renamed", login, {"rename": names})
    if body.get("body", found["body"]) != found["body"]:
        state["edits"][key_of(found)] = draw.written_now
    found.update({name: body[name] for name in ("title", "body", "state") if name in body})
    return found


def key_of(item: dict[str, Any]) -> str:
    """Return the key of an issue or pull request in the collections of the state."""
    return f"{item['repository']}#{item['number']}"


def note_event(
    state: State, draw: Draw, item: dict[str, Any], kind: str, login: str, more: dict[str, Any]
) -> None:
    """Keep an event of an issue or pull request."""
    made = {"id": draw.counter("events"), "event": kind, "actor": {"login": login}}
    kept = state["events"].setdefault(key_of(item), [])
    kept.append({**made, "created_at": draw.written_now, **more})


def set_label(
    state: State, draw: Draw, item: dict[str, Any], name: str, login: str, *, is_set: bool = True
) -> None:
    """Set or remove a label, unless it is so already; keep the event, and tell the webhooks."""
    known = [one["name"] for one in item["labels"]]
    if (name in known) is is_set:
        return
    names = [*known, name] if is_set else [one for one in known if one != name]
    item["labels"] = [{"name": one} for one in names]
    action, label = "labeled" if is_set else "unlabeled", {"name": name}
    note_event(state, draw, item, action, login, {"label": label})
    is_pull = "head" in item
    data = {"action": action, "label": label, "sender": {"login": login}}
    event, member = ("pull_request",) * 2 if is_pull else ("issues", "issue")
    repository = state["repositories"][item["repository"]]
    tell_hooks(repository, event, {**data, member: item}, draw)


@answered
def add_labels(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Add labels to an issue or pull request."""
    login = require("triage", request, state, repository_of(state, draw))
    found = item_of(state, draw)
    for name in dict.fromkeys(body_of(request, "labels")["labels"]):
        set_label(state, draw, found, str(name), login)
    return found["labels"]


@answered
def remove_label(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Remove a label from an issue or pull request."""
    login = require("triage", request, state, repository_of(state, draw))
    found, name = item_of(state, draw), draw.from_path["name"]
    if name not in [one["name"] for one in found["labels"]]:
        raise Refusal(404, "Label does not exist")
    set_label(state, draw, found, name, login, is_set=False)
    return found["labels"]


@answered
def list_events(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the events of an issue or pull request, oldest first."""
    return state["events"].get(key_of(item_of(state, draw)), [])


@answered_in_graph
def query_graph(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Answer a query of GraphQL for the open issues with a label; the twin knows no other one."""
    body = body_of(request, "query", "variables")
    wanted, size = body["variables"], re.search(r"\bissues\([^)]*first: (\d+)", body["query"])
    if not size or not {"owner", "name", "label"} <= wanted.keys():
        raise Refusal(422, "the twin answers queries for the issues with a label only")
    name, label = f"{wanted['owner']}/{wanted['name']}", str(wanted["label"]).casefold()
    if name.casefold() not in state["repositories"]:
        fault = f"Could not resolve to a Repository with the name '{name}'."
        errors = [{"type": "NOT_FOUND", "message": fault}]
        return {"data": {"repository": None}, "errors": errors}
    found = [
        shown_in_graph(state, one)
        for one in state["issues"].values()
        if (one["repository"], one["state"]) == (name.casefold(), "open")
        and label in [known["name"].casefold() for known in one["labels"]]
    ]
    begin = int(wanted.get("after") or 0)
    end = begin + int(size[1])
    page = {"hasNextPage": end < len(found), "endCursor": str(end)}
    issues = {"pageInfo": page, "nodes": found[::-1][begin:end]}
    return {"data": {"repository": {"issues": issues}}}


def shown_in_graph(state: State, issue: dict[str, Any]) -> dict[str, Any]:
    """Return an issue as GraphQL shows it, with its labellings and renamings."""
    kinds = {"labeled": "LabeledEvent", "renamed": "RenamedTitleEvent"}
    events = [one for one in state["events"].get(key_of(issue), []) if one["event"] in kinds]
    timeline = [
        {
            "__typename": kinds[one["event"]],
            "createdAt": one["created_at"],
            "actor": {"__typename": "User", **one["actor"]},
            "label": one.get("label"),
        }
        for one in events[-TIMELINE:]
    ]
    return {
        **{name: issue[name] for name in ("number", "title", "body")},
        "url": issue["html_url"],
        "lastEditedAt": state["edits"].get(key_of(issue)),
        "timelineItems": {"nodes": timeline},
    }


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
    return str(state["repositories"][pull["head"]["repo"]["full_name"].casefold()]["folder"])


def refresh(
    state: State, repository: dict[str, Any], pull: dict[str, Any], draw: Draw
) -> dict[str, Any]:
    """Return a pull request as it is now: the tip of its branch, and whether it can be merged.

    One whose branch was deleted is closed.
    """
    if pull["state"] != "open":
        return pull
    if pull["head"]["sha"] and not has_branch(head_folder(state, pull), pull["head"]["ref"]):
        pull["state"] = "closed"
        tell_hooks(repository, "pull_request", {"action": "closed", "pull_request": pull}, draw)
        return pull
    folder, ref = repository["folder"], f"refs/pull/{pull['number']}/head"
    pull["head"]["sha"] = fetch_head(folder, head_folder(state, pull), pull["head"]["ref"], ref)
    pull["base"]["sha"] = git(folder, "rev-parse", f"refs/heads/{pull['base']['ref']}")
    is_clean = can_merge(folder, pull["base"]["sha"], pull["head"]["sha"])
    pull.update(mergeable=is_clean, mergeable_state="clean" if is_clean else "dirty")
    return pull


def pull_of(state: State, draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the repository and the pull request in the path."""
    repository, found = repository_of(state, draw), item_of(state, draw)
    if "head" not in found:
        raise Refusal(404, "Not Found")
    return repository, refresh(state, repository, found, draw)


@answered
def list_pulls(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the pull requests of a repository, of a branch if `head` names one."""
    repository, query = repository_of(state, draw), request.query
    return [
        one
        for one in [refresh(state, repository, pull, draw) for pull in _pulls(state, draw)]
        if query.get("state", "open") in ("all", one["state"])
        and query.get("head", one["head"]["label"]).casefold() == one["head"]["label"].casefold()
    ]


@answered
def create_pull(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Open a pull request from a branch of the repository, or of a fork."""
    repository, body = repository_of(state, draw), body_of(request, "title", "head", "base")
    owner, _, branch = str(body["head"]).rpartition(":")
    name = f"{owner or repository['owner']}/{repository['full_name'].partition('/')[2]}"
    source = state["repositories"].get(name.casefold())
    if source is None:
        raise Refusal(422, "Validation Failed: head is invalid")
    require("write", request, state, source)
    label = f"{source['owner']}:{branch}"
    if any(one["head"]["label"] == label and one["state"] == "open" for one in _pulls(state, draw)):
        raise Refusal(422, f"A pull request already exists for {label}.")
    made = {
        **new_item(request, state, draw),
        "head": {
            "ref": branch,
            "label": label,
            "repo": {"full_name": source["full_name"]},
            "sha": "",
        },
        "base": {"ref": str(body["base"]), "sha": ""},
        "draft": bool(body.get("draft")),
        "merged": False,
        "merge_commit_sha": None,
    }
    refresh(state, repository, made, draw)
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
    """Change title, text, state or target of a pull request."""
    repository, found = pull_of(state, draw)
    require("write", request, state, repository)
    body = body_of(request)
    found.update({name: body[name] for name in ("title", "body", "state") if name in body})
    if "base" in body:
        found["base"] = {"ref": str(body["base"]), "sha": ""}
        refresh(state, repository, found, draw)
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
    parents = (base,) if is_squash else (base, head)
    message = f"{found['title']} (#{found['number']})"
    commit = commit_merge(folder, parents, tree, message, draw.written_now)
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
    login = login_of(request, state)
    granted = permission_in(state, repository, login) if repository else "none"
    return serve_repository(
        request,
        draw.from_path["repo"],
        folder=repository["folder"] if repository else "",
        login=login,
        may_push=includes(granted, "write"),
    )
