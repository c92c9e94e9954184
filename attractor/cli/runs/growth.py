"""The control plane of the app in the project, and plans as text."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import model_options, opened_of, project_of
from attractor.cli.runs.walk import Watcher

if TYPE_CHECKING:
    from attractor.growth.control_plane import ControlPlane

_LISTED = 5


crew_model_options = model_options(
    "Let the crew use this model in a new run (default: llm.model, otherwise the newest model of "
    "the only provider with a key, otherwise none)."
)


def control_plane_of(
    invocation: Invocation, *, model: str = "", provider: str = ""
) -> "ControlPlane":
    """Return the control plane of the app in the project; a named model overrides the settings."""
    # Imported here, because only commands of growth need it.
    from attractor.growth.control_plane import ControlPlane
    from attractor.growth.model_answers import with_model

    return ControlPlane(with_model(project_of(invocation), model, provider))


@contextmanager
def watched_plane(
    invocation: Invocation, *, as_json: bool, model: str = "", provider: str = ""
) -> Generator["ControlPlane"]:
    """Yield the control plane, and show the progress of the runs that it starts.

    With `as_json`, events are printed as JSON lines, like those of `attractor run`.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.control_plane import ControlPlane
    from attractor.growth.model_answers import with_model

    watcher = Watcher(invocation, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    with watcher:
        yield ControlPlane(with_model(opened.project, model, provider))


def show_plan(record: Mapping[str, Any], *, as_json: bool) -> ExitCode:
    """Print a plan with all that rules say of it."""
    return show_result(record, *_plan_lines(record), as_json=as_json)


def _plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    yield f"{plan['plan_id']} ({plan['state']}): {plan['base']} -> {plan['result']}"
    yield f"  risk {plan['risk']}{_FIRST if plan['is_first'] else ''}"
    for one in plan["morphs"]:
        yield f"  {morph_line(one)}"
        for key in ("reads", "writes"):
            if one[key]:
                yield f"     {key} {', '.join(one[key])}"
    yield from (f"  state: {one}" for one in plan["migrations"])
    yield from (f"  GATE {one}" for one in plan["gates"])
    yield from (f"  WITHOUT EFFECT: {one}" for one in plan["without_effect"])
    for key in ("without_refusal", "told_by_steps", "changed_sight"):
        yield from (f"  {one}" for one in plan[key])
    yield from (f"  without a model: {one}" for one in plan["plain"])
    if plan["irreversible"]:
        yield f"  IRREVERSIBLE: {', '.join(plan['irreversible'])}: a roll-back restores no value"
    identity = plan["identity"]
    yield f"  {identity['machine_checked']} of {identity['lines']} identity lines machine-checked"
    yield from (f"  not checked: {one}" for one in identity["missing"])
    yield from (f"  test: {one}" for one in plan["tests"])
    yield from _service_lines(plan)
    yield from check_lines(plan)
    if plan["next"]:
        yield f"next: {plan['next']}"


_FIRST = ": the first stage, everything is new"


def morph_line(one: Mapping[str, Any]) -> str:
    """Return a morph with its parameters, plate, level and risk."""
    rules = f"plate {one['plate']}, level {one['level']}, risk {one['risk']}"
    return f"{one['id']} {morph_words(one['morph'])} ({rules})"


def morph_words(morph: Mapping[str, Any]) -> str:
    """Return the type and the parameters of a morph."""
    parameters = ", ".join(f"{key}={_words(one)}" for key, one in morph.items() if key != "type")
    return f"{morph['type']} {parameters}"


def _words(value: Any) -> str:
    match value:
        case list():
            return ",".join(map(_words, value))  # pyright: ignore
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def check_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reasons against a plan, with their remedies."""
    for one in plan["findings"]:
        remedy = f" ({one['hint']})" if one["hint"] else ""
        yield f"  refused: {one['message']}{remedy}"
    for one in plan["collisions"]:
        yield f"  collides with {one['plan_id']}: {one['reason']} (drop one: {one['remedy']})"


def simulation_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report of a simulation for a person."""
    traffic, moved = report["traffic"], report["migration"]
    yield f"{report['simulation_id']} of {report['plan_id']}: {report['diff']['summary']}"
    yield from (f"  {one}" for one in report["diff"]["changes"])
    how = "are new" if report["is_first"] else "differ"
    yield f"  {len(report['files'])} generated files {how}"
    yield from (f"    {one['change']} {one['path']} ({one['part']})" for one in report["files"])
    yield f"  may change: {', '.join(report['may_change']) or 'nothing that a user sees'}"
    yield f"  recorded requests: {traffic['requests']}, of which may change: {traffic['claimed']}"
    yield f"  change of state: {moved['description']}"
    if seen := moved["running"]:
        yield f"    tried on the running app: {_seen(seen)}"
    if moved["records"]:
        yield f"    tried on recordings: {_seen(moved)}"
    misfits = moved["misfits"]
    yield from (f"    does not fit: {one}" for one in misfits[:_LISTED])
    if len(misfits) > _LISTED:
        more = len(misfits) - _LISTED
        yield f"    and {more} more: attractor grow simulate {report['plan_id']} --json"
    rehearsal = report["rehearsal"]
    if rehearsal:
        changes = [f"    {one['change']}" for one in rehearsal["will_change"]]
        found = "responses that change:" if changes else "no response changes"
        yield f"  rehearsed by {rehearsal['run_id']}: {found}"
        yield from changes
    else:
        yield "  not rehearsed (needed from medium risk on)"
    yield from (f"  risk: {one}" for one in report["risks"])
    yield f"  pictures: {', '.join(report['screenshots'])} in {report['folder']}"
    yield from (f"  BLOCKS: {one}" for one in report["faults"])
    if report["next"]:
        yield f"next: {report['next']}"


def _seen(state: Mapping[str, Any]) -> str:
    return f"{state['records']} records of {state['entities']} entities"


def show_deployment(record: Mapping[str, Any], *, again: str, as_json: bool) -> ExitCode:
    """Print how far a deployment is; exit with 3 if it waits for a person."""
    show_result(record, *_deployment_lines(record, again), as_json=as_json, is_line=True)
    return ExitCode.UNFINISHED if record["waits_for"] else ExitCode.DONE


def _deployment_lines(record: Mapping[str, Any], again: str) -> Iterator[str]:
    run, stage = record["run_id"], record["stage_id"]
    next_ = {
        "decision": f'attractor decide {run} --approve --reason "..."',
        "answer": f"attractor answer {run}",
        "run": f"attractor resume {run}",
    }
    yield from (f"not checked: {one}" for one in record.get("missing", ()))
    yield from (f"kept, as it was added since: plate of {one}" for one in record["kept"])
    if waits_for := record["waits_for"]:
        yield f"{stage} waits for: {waits_for} (run {run})"
        yield f"next: {next_[waits_for]}"
        yield f"then: {again}"
        return
    yield f"{stage} is deployed{' at ' if record['url'] else ''}{record['url']} (run {run})"
    if record["sandbox"] == "none":
        yield "  isolation_unverified: the app runs without a sandbox, with your rights"
    yield from _service_lines(record)
    if listed := record["listed"]:
        yield f"  {len(listed)} records were written since, such as {listed[0]}"
    yield from (f"  {one}" for one in record["broken"])
    yield from change_lines(record)


def app_lines(app: Mapping[str, Any]) -> Iterator[str]:
    """Yield the state of the running app and its recordings."""
    if app["running"]:
        where = f" without a sandbox{_UNVERIFIED}" if app["sandbox"] == "none" else ""
        silent = "is stopped" if app["supervisor"] == "none" else "does not answer"
        place = f"{app['url']}{where}" if app["url"] else silent
        yield f"running: {app['running']} {place}"
        yield from _standing_of(app)
        yield from release_lines(app)
        yield from _service_lines(app)
        yield from change_lines(app)
    else:
        yield "running: none"
    now = "; the app records now (end it: attractor grow record --stop)"
    if app["recordings"]:
        found = f"recordings: {app['recordings']}, the newest of {app['newest_recording']}"
    else:
        found = "recordings: none"
    advice = " (record traffic of the running app: attractor grow record)"
    yield found + (now if app["is_recorded"] else "" if app["recordings"] else advice)


def _standing_of(app: Mapping[str, Any]) -> Iterator[str]:
    """Yield who keeps the app running, and the command that starts it."""
    match app["supervisor"]:
        case "left":
            yield "  its supervisor was killed: nothing restarts it or runs its pipelines"
            yield "  end it and start it again: attractor up --once"
        case "gone":
            yield "  it went down, and no person stopped it; start it again: attractor up --once"
        case "none":
            yield "  start it: attractor grow start"
        case _ if not app["url"]:
            yield "  its supervisor, or a deployment, starts it; look again: attractor grow status"
        case _ if app["next_run"]:
            yield f"  next run of a pipeline: {app['next_run']}"
        case _:
            pass


def release_lines(check: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files and packages of the running release that differ, each with the remedy."""
    for one in check["faults"]:
        yield f"  {one['path']} {one['problem']}"
        yield f"    {one['remedy']}"
    yield from (f"  package updated since the deployment: {one}" for one in check["updated"])


def _service_lines(record: Mapping[str, Any]) -> Iterator[str]:
    for adapter, url in record["services"].items():
        unset = f"growth.adapters.{adapter}.url, which is not set"
        yield f"  calls {adapter} at {url or unset}"


_UNVERIFIED = ", with your rights (isolation_unverified)"


def backup_line(record: Mapping[str, Any]) -> str:
    """Return the file, the stage and the records of a backup."""
    counts = ", ".join(f"{count} of {name}" for name, count in record["records"].items())
    return f"{record['file']} of {record['stage']} ({record['made']}): records: {counts or 'none'}"


def change_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changes of telemetry since the stage before."""
    for one in record["changes"]:
        yield f"  {one['node']}: {one['message']} (proposal: {one['proposal']})"
