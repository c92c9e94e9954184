"""GitLab: issues, merge requests, jobs and webhooks, over real bare repositories.

A person acts by requests with a key of their own (`state.users`): the key of the reviewer writes
notes and merges, the key of the checks reports jobs, and the key of the stranger may only read,
comment and label.
"""

import json
import re
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

REPORTER, DEVELOPER, MAINTAINER, OWNER = 20, 30, 40, 50
DRAFT = "Draft: "
PROTECTED = "GitLab: You are not allowed to push code to protected branches on this project:"
HOOKS = {
    "issue": ("issues_events", "Issue Hook"),
    "note": ("note_events", "Note Hook"),
    "merge_request": ("merge_requests_events", "Merge Request Hook"),
    "build": ("job_events", "Job Hook"),
}
"""The setting of a webhook and its title for each kind of event."""


def answered(function: Function) -> Function:
    """Count the request, refuse it above the rate limit, and answer refusals as GitLab does."""
    return answer_within(429, "ratelimit-", function)


def person_of(request: ServiceRequest, state: State) -> dict[str, Any]:
    """Return the person who sends a request, as the service shows them."""
    user = state["users"].get(request.headers.get("private-token")) or user_of(request, state)
    return shown_person(user or {"id": 0, "username": ""})


def shown_person(user: dict[str, Any]) -> dict[str, Any]:
    """Return a person without their role."""
    return {"id": user["id"], "username": user["username"], "state": "active"}


def project_of(state: State, draw: Draw) -> dict[str, Any]:
    """Return the project in the path, by its number or its full path."""
    wanted = draw.from_path["id"]
    for one in state["projects"].values():
        if str(one["id"]) == wanted:
            return one
    if found := project_named(state, wanted):
        return found
    raise Refusal(404, "404 Project Not Found")


def project_named(state: State, name: str) -> dict[str, Any] | None:
    """Return the project with a full path, whose case does not matter, or None."""
    for known, project in state["projects"].items():
        if known.casefold() == name.casefold():
            return project
    return None


def level_in(state: State, project: dict[str, Any], username: str) -> int:
    """Return the access level of a person in a project."""
    if username == project["owner"]:
        return OWNER
    levels = {one["username"]: one["level"] for one in state["users"].values()}
    return REPORTER if project["fork_of"] and username in levels else levels.get(username, 0)


def require(
    level: int, request: ServiceRequest, state: State, project: dict[str, Any]
) -> dict[str, Any]:
    """Return the person; refuse one who has fewer rights."""
    person = person_of(request, state)
    if level_in(state, project, person["username"]) < level:
        raise Refusal(403, "403 Forbidden")
    return person


def add_project(
    request: ServiceRequest, state: State, draw: Draw, name: str, fork_of: str = ""
) -> ServiceResponse:
    """Create a project of the person."""
    owner = person_of(request, state)["username"]
    full_name = f"{owner}/{name}"
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name) or project_named(state, full_name):
        raise Refusal(400, {"path": ["has already been taken or is invalid"]})
    source = state["projects"][fork_of]["folder"] if fork_of else ""
    made = {
        "id": draw.counter("projects"),
        "path_with_namespace": full_name,
        "default_branch": "main",
        "owner": owner,
        "fork_of": fork_of,
        "folder": init_repository(state, full_name, protected=PROTECTED, clone_of=source),
        "merge_method": "merge",
        "merge_pipelines_enabled": False,
        "hooks": [],
    }
    state["projects"][full_name] = made
    return respond(shown_project(made), 201)


def shown_project(project: dict[str, Any]) -> dict[str, Any]:
    """Return a project as the service shows it."""
    names = ("id", "path_with_namespace", "default_branch", "merge_method")
    more = {"merge_pipelines_enabled": project["merge_pipelines_enabled"]}
    return {**{name: project[name] for name in names}, **more}


def tell_hooks(
    project: dict[str, Any], kind: str, person: dict[str, Any], data: dict[str, Any], draw: Draw
) -> None:
    """Send an event to the webhooks of a project, each with its token."""
    setting, title = HOOKS[kind]
    payload = {"object_kind": kind, "user": person, "project": shown_project(project), **data}
    for hook in project["hooks"]:
        if hook.get(setting):
            headers = {
                "X-Gitlab-Event": title,
                "X-Gitlab-Event-UUID": draw.uuid(),
                "X-Gitlab-Token": str(hook.get("token") or ""),
            }
            send_webhook(hook["url"], json.dumps(payload).encode(), headers)


@answered
def show_user(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the person of the key."""
    return person_of(request, state)


@answered
def create_project(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Create a project of the person."""
    return add_project(request, state, draw, str(body_of(request, "name")["name"]))


@answered
def show_project(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return a project."""
    return shown_project(project_of(state, draw))


@answered
def update_project(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Set the merge method (`merge` or `ff`), or whether there are pipelines of merged results."""
    project, body = project_of(state, draw), body_of(request)
    require(MAINTAINER, request, state, project)
    names = ("merge_method", "merge_pipelines_enabled")
    project.update({name: body[name] for name in names if name in body})
    return shown_project(project)


@answered
def fork_project(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Copy a project for the person."""
    source = str(project_of(state, draw)["path_with_namespace"])
    return add_project(request, state, draw, source.partition("/")[2], fork_of=source)


@answered
def create_hook(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Add a webhook to an address of this machine."""
    project = project_of(state, draw)
    require(MAINTAINER, request, state, project)
    hook = body_of(request, "url")
    require_this_machine(str(hook["url"]))
    project["hooks"].append(hook)
    return respond({"id": draw.counter("hooks"), "url": hook["url"]}, 201)


@answered
def protect_branch(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Refuse pushes to a branch."""
    project = project_of(state, draw)
    require(MAINTAINER, request, state, project)
    name = str(body_of(request, "name")["name"])
    protect(project["folder"], name)
    return respond({"name": name}, 201)


@answered
def list_members(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the members of a project whose names contain the query."""
    project, query = project_of(state, draw), request.query.get("query", "")
    people = [one for one in state["users"].values() if query in one["username"]]
    return [shown_member(state, project, one) for one in people]


@answered
def show_member(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return a member of a project."""
    project, number = project_of(state, draw), draw.from_path["user"]
    for one in state["users"].values():
        if str(one["id"]) == number:
            return shown_member(state, project, one)
    raise Refusal(404, "404 Not found")


def shown_member(state: State, project: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    """Return a person with their access level in a project."""
    level = level_in(state, project, user["username"])
    return {**shown_person(user), "access_level": level}


def item_of(state: State, draw: Draw, kind: str) -> dict[str, Any]:
    """Return the issue or merge request in the path."""
    project = project_of(state, draw)
    found = state[kind].get(f"{project['path_with_namespace']}#{draw.from_path['iid']}")
    if found is None:
        raise Refusal(404, "404 Not found")
    return found


def new_item(
    request: ServiceRequest, state: State, draw: Draw, project: dict[str, Any], kind: str
) -> dict[str, Any]:
    """Return the common members of a new issue or merge request."""
    body, name, host = body_of(request, "title"), project["path_with_namespace"], "127.0.0.1"
    number = draw.counter(f"{kind} of {name}")
    address = f"http://{request.headers.get('host', host)}/{name}/-/{kind}/{number}"
    return {
        "iid": number,
        "project_id": project["id"],
        "title": str(body["title"]),
        "description": str(body.get("description") or ""),
        "state": "opened",
        "author": person_of(request, state),
        "labels": [],
        "web_url": address,
        "created_at": draw.written_now,
    }


def keep_item(state: State, project: dict[str, Any], kind: str, made: dict[str, Any]) -> None:
    """Keep a new issue or merge request."""
    state[kind][f"{project['path_with_namespace']}#{made['iid']}"] = made


def notes_of(state: State, draw: Draw, kind: str) -> list[dict[str, Any]]:
    """Return the notes of an issue or merge request."""
    found = item_of(state, draw, kind)
    return state["notes"].setdefault(f"{kind}/{found['project_id']}/{found['iid']}", [])


def add_note(
    request: ServiceRequest, state: State, draw: Draw, kind: str, body: str, **more: object
) -> dict[str, Any]:
    """Add a note to an issue or merge request."""
    made = {
        "id": draw.counter("notes"),
        "body": body,
        "author": person_of(request, state),
        "system": False,
        "created_at": draw.written_now,
        **more,
    }
    notes_of(state, draw, kind).append(made)
    return made


def set_labels(
    request: ServiceRequest, state: State, draw: Draw, item: dict[str, Any], body: dict[str, Any]
) -> list[str]:
    """Set, add or remove labels, each with its event; return the labels before."""
    before, named = list(item["labels"]), {}
    for name in ("labels", "add_labels", "remove_labels"):
        value = body.get(name) or []
        words = value.split(",") if isinstance(value, str) else value
        named[name] = [str(one).strip() for one in words]
    wanted = named["labels"] if "labels" in body else before
    wanted = [one for one in wanted if one not in named["remove_labels"]]
    item["labels"] = list(dict.fromkeys([*wanted, *named["add_labels"]]))
    added = [("add", one) for one in item["labels"] if one not in before]
    gone = [("remove", one) for one in before if one not in item["labels"]]
    key = f"{item['project_id']}/{item['iid']}"
    for action, name in [*added, *gone]:
        event = {
            "id": draw.counter("label events"),
            "user": person_of(request, state),
            "created_at": draw.written_now,
            "label": {"name": name},
            "action": action,
        }
        if "source_branch" not in item:
            state["label_events"].setdefault(key, []).append(event)
    return before


def change_item(
    request: ServiceRequest, state: State, draw: Draw, kind: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change title, text, labels or state; return the item and the changes of its labels."""
    item, body = item_of(state, draw, kind), body_of(request)
    level = REPORTER if kind == "issues" else DEVELOPER
    if person_of(request, state) != item["author"]:
        require(level, request, state, project_of(state, draw))
    if body.get("title", item["title"]) != item["title"]:
        words = f"changed title from **{item['title']}** to **{body['title']}**"
        add_note(request, state, draw, kind, words, system=True)
        item["title"] = str(body["title"])
    if body.get("description", item["description"]) != item["description"]:
        add_note(request, state, draw, kind, "changed the description", system=True)
        item["description"] = str(body["description"])
    before = set_labels(request, state, draw, item, body)
    item["state"] = {"close": "closed", "reopen": "opened"}.get(
        str(body.get("state_event")), item["state"]
    )
    titles = [[{"title": one} for one in labels] for labels in (before, item["labels"])]
    changes = {"labels": {"previous": titles[0], "current": titles[1]}}
    return item, changes if before != item["labels"] else {}


@answered
def list_issues(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the issues of a project with the wanted labels."""
    project, query = project_of(state, draw), request.query
    wanted = set(filter(None, query.get("labels", "").split(",")))
    return [
        one
        for one in state["issues"].values()
        if one["project_id"] == project["id"]
        and query.get("state", "all") in ("all", one["state"])
        and wanted <= set(one["labels"])
    ]


@answered
def create_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Open an issue; people without the role Reporter set no labels."""
    project, person = project_of(state, draw), person_of(request, state)
    made = new_item(request, state, draw, project, "issues")
    if level_in(state, project, person["username"]) >= REPORTER:
        set_labels(request, state, draw, made, body_of(request))
    keep_item(state, project, "issues", made)
    tell_hooks(project, "issue", person, {"object_attributes": made}, draw)
    return respond(made, 201)


@answered
def show_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return an issue."""
    return item_of(state, draw, "issues")


@answered
def update_issue(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Change title, text, labels or state of an issue."""
    found, changes = change_item(request, state, draw, "issues")
    data = {"object_attributes": found, "changes": changes}
    tell_hooks(project_of(state, draw), "issue", person_of(request, state), data, draw)
    return found


@answered
def list_label_events(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the events of the labels of an issue."""
    found = item_of(state, draw, "issues")
    return state["label_events"].get(f"{found['project_id']}/{found['iid']}", [])


def listed_notes(request: ServiceRequest, state: State, draw: Draw, kind: str) -> object:
    """Return notes, newest first unless the request wants them in order."""
    notes = notes_of(state, draw, kind)
    return list(notes) if request.query.get("sort") == "asc" else notes[::-1]


def commented(
    request: ServiceRequest, state: State, draw: Draw, kind: str, **more: object
) -> ServiceResponse:
    """Add the note of a person, and tell the webhooks."""
    made = add_note(request, state, draw, kind, str(body_of(request, "body")["body"]), **more)
    project = project_of(state, draw)
    tell_hooks(project, "note", made["author"], {"object_attributes": made}, draw)
    return respond(made, 201)


@answered
def list_issue_notes(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the notes of an issue."""
    return listed_notes(request, state, draw, "issues")


@answered
def create_issue_note(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Comment an issue."""
    return commented(request, state, draw, "issues")


@answered
def list_merge_notes(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the notes of a merge request, those of its discussions included."""
    return listed_notes(request, state, draw, "merge_requests")


@answered
def create_merge_note(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Comment a merge request."""
    return commented(request, state, draw, "merge_requests")


@answered
def create_discussion(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Comment a line of a merge request."""
    position = body_of(request, "body").get("position")
    more = {"type": "DiffNote", "position": position} if position else {}
    return commented(request, state, draw, "merge_requests", **more)


def refresh(state: State, project: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return a merge request as it is now: the tip of its branch, and whether it conflicts."""
    found["draft"] = found["title"].startswith(DRAFT)
    if found["state"] != "opened":
        return found
    folder, ref = project["folder"], f"refs/merge-requests/{found['iid']}/head"
    [source] = [
        one["folder"]
        for one in state["projects"].values()
        if one["id"] == found["source_project_id"]
    ]
    # A merge request stays open without its branch.
    if has_branch(source, found["source_branch"]) or not found.get("sha"):
        found["sha"] = fetch_head(folder, source, found["source_branch"], ref)
    target = git(folder, "rev-parse", f"refs/heads/{found['target_branch']}")
    found["has_conflicts"] = not can_merge(folder, target, found["sha"])
    return found


def merge_request_of(state: State, draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the project and the merge request in the path."""
    project = project_of(state, draw)
    return project, refresh(state, project, item_of(state, draw, "merge_requests"))


@answered
def list_merge_requests(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the merge requests of a project, of a branch if one is named."""
    project, query = project_of(state, draw), request.query
    return [
        refresh(state, project, one)
        for one in state["merge_requests"].values()
        if one["project_id"] == project["id"]
        and query.get("state", "all") in ("all", one["state"])
        and query.get("source_branch", one["source_branch"]) == one["source_branch"]
    ]


@answered
def create_merge_request(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Open a merge request from a branch of the project, for the project or its source."""
    source = project_of(state, draw)
    body = body_of(request, "title", "source_branch", "target_branch")
    person = require(DEVELOPER, request, state, source)
    wanted = body.get("target_project_id", source["id"])
    [target] = [one for one in state["projects"].values() if one["id"] == wanted]
    branch = str(body["source_branch"])
    for one in state["merge_requests"].values():
        if (one["source_project_id"], one["source_branch"], one["state"]) == (
            *(source["id"], branch, "opened"),
        ):
            words = "Another open merge request already exists for this source branch: "
            raise Refusal(409, [f"{words}!{one['iid']}"])
    made = new_item(request, state, draw, target, "merge_requests")
    made |= {
        "source_branch": branch,
        "target_branch": str(body["target_branch"]),
        "source_project_id": source["id"],
        "target_project_id": target["id"],
        "merge_commit_sha": None,
        "squash_commit_sha": None,
    }
    set_labels(request, state, draw, made, body)
    refresh(state, target, made)
    keep_item(state, target, "merge_requests", made)
    tell_hooks(target, "merge_request", person, {"object_attributes": made}, draw)
    return respond(made, 201)


@answered
def show_merge_request(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return a merge request."""
    return merge_request_of(state, draw)[1]


@answered
def update_merge_request(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Change title, text, labels, state or target of a merge request."""
    change_item(request, state, draw, "merge_requests")
    project, found = merge_request_of(state, draw)
    found["target_branch"] = body_of(request).get("target_branch", found["target_branch"])
    person = person_of(request, state)
    tell_hooks(project, "merge_request", person, {"object_attributes": found}, draw)
    return found


def merge_commit(project: dict[str, Any], found: dict[str, Any], now: str) -> str:
    """Return a new commit that merges a merge request into its target."""
    folder, head = project["folder"], found["sha"]
    target = git(folder, "rev-parse", f"refs/heads/{found['target_branch']}")
    tree = git(folder, "merge-tree", "--write-tree", target, head)
    message = f"Merge branch '{found['source_branch']}' into '{found['target_branch']}'"
    return commit_merge(folder, (target, head), tree, message, now)


@answered
def merge(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Merge a merge request by the method of the project, on demand with one commit for all."""
    project, found = merge_request_of(state, draw)
    person = require(DEVELOPER, request, state, project)
    if found["state"] != "opened" or found["draft"] or found["has_conflicts"]:
        raise Refusal(405, "405 Method Not Allowed")
    folder, head, now = project["folder"], found["sha"], draw.written_now
    target = git(folder, "rev-parse", f"refs/heads/{found['target_branch']}")
    base, is_fast = git(folder, "merge-base", target, head), project["merge_method"] == "ff"
    if is_fast and base != target:
        raise Refusal(405, "405 Method Not Allowed")
    if body_of(request).get("squash"):
        tree = git(folder, "rev-parse", f"{head}^{{tree}}")
        head = commit_merge(folder, (base,), tree, str(found["title"]), now)
        found["squash_commit_sha"] = head
    tip = head
    if not is_fast:
        tip = found["merge_commit_sha"] = merge_commit(project, {**found, "sha": head}, now)
    git(folder, "update-ref", f"refs/heads/{found['target_branch']}", tip, target)
    found["state"] = "merged"
    tell_hooks(project, "merge_request", person, {"object_attributes": found}, draw)
    return found


def statuses_of(state: State, draw: Draw) -> list[dict[str, Any]]:
    """Return the statuses of a commit."""
    key = f"{project_of(state, draw)['id']}@{draw.from_path['sha']}"
    return state["statuses"].setdefault(key, [])


@answered
def create_status(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Set the status of a commit; one with a `trace` is a job."""
    project = project_of(state, draw)
    person = require(DEVELOPER, request, state, project)
    body, statuses = body_of(request, "state"), statuses_of(state, draw)
    name, word = str(body.get("name") or "default"), str(body["state"])
    if word in [one["status"] for one in statuses[-1:] if one["name"] == name]:
        raise Refusal(400, f"Cannot transition status via :{word} from :{word}")
    made = {
        "id": draw.counter("statuses"),
        "name": name,
        "status": word,
        "sha": draw.from_path["sha"],
        "description": body.get("description"),
        "target_url": body.get("target_url"),
        "allow_failure": bool(body.get("allow_failure")),
    }
    statuses.append(made)
    if trace := body.get("trace"):
        state["traces"][str(made["id"])] = str(trace)
    tell_hooks(project, "build", person, {"build_name": name, "build_status": word}, draw)
    return respond(made, 201)


@answered
def list_statuses(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the latest status of a commit of each name."""
    return list({one["name"]: one for one in statuses_of(state, draw)}.values())


def pipelines_of(state: State, draw: Draw) -> list[dict[str, Any]]:
    """Return the pipelines of the merge request in the path, oldest first."""
    found = item_of(state, draw, "merge_requests")
    return state["pipelines"].setdefault(f"{found['project_id']}/{found['iid']}", [])


@answered
def list_pipelines(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the pipelines of a merge request, newest first."""
    return pipelines_of(state, draw)[::-1]


@answered
def create_pipeline(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Create a pipeline of a merge request, of merged results if the project has such pipelines.

    Its jobs are the statuses of its commit.
    """
    project, found = merge_request_of(state, draw)
    require(DEVELOPER, request, state, project)
    sha, kind = found["sha"], "head"
    if project["merge_pipelines_enabled"] and not found["has_conflicts"]:
        sha, kind = merge_commit(project, found, draw.written_now), "merge"
    ref = f"refs/merge-requests/{found['iid']}/{kind}"
    git(project["folder"], "update-ref", ref, sha)
    made = {"id": draw.counter("pipelines"), "sha": sha, "ref": ref, "status": "pending"}
    pipelines_of(state, draw).append(made)
    return respond(made, 201)


@answered
def list_jobs(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the jobs of a pipeline."""
    project = project_of(state, draw)
    for key, pipelines in state["pipelines"].items():
        for one in pipelines:
            if key.startswith(f"{project['id']}/") and str(one["id"]) == draw.from_path["pipeline"]:
                return state["statuses"].get(f"{project['id']}@{one['sha']}", [])
    raise Refusal(404, "404 Not found")


@answered
def show_commit(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return a commit with its parents."""
    folder, sha = project_of(state, draw)["folder"], draw.from_path["sha"]
    try:
        parents = git(folder, "rev-parse", f"{sha}^@").split()
    except Refusal as cause:
        raise Refusal(404, "404 Commit Not Found") from cause
    return {"id": sha, "parent_ids": parents}


@answered
def show_trace(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Return the log of a job."""
    trace = state["traces"].get(draw.from_path["job"])
    if trace is None:
        raise Refusal(404, "404 Not found")
    return ServiceResponse(200, {"content-type": "text/plain"}, trace.encode())


def serve_git(request: ServiceRequest, state: State, draw: Draw) -> object:
    """Fetch from a repository, or push to it with a key that may write."""
    name = f"{draw.from_path['owner']}/{draw.from_path['repo'].removesuffix('.git')}"
    project, username = project_named(state, name), person_of(request, state)["username"]
    return serve_repository(
        request,
        draw.from_path["repo"],
        folder=project["folder"] if project else "",
        login=username,
        may_push=bool(project) and level_in(state, project, username) >= DEVELOPER,
    )
