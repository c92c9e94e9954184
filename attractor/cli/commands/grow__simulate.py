"""Simulate a plan: what it changes, before it is deployed."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import (
    control_plane_of,
    crew_model_options,
    simulation_lines,
    watched_plane,
)


@click.command("simulate")
@click.argument("plan", metavar="PLAN")
@click.option(
    "--rehearse/--no-rehearse",
    default=None,
    help="Let the crew build the plan, and try the result (default: from medium risk on).",
)
@crew_model_options
@json_option
@click.pass_obj
def simulate_growth(
    invocation: Invocation,
    *,
    plan: str,
    rehearse: bool | None,
    model: str,
    provider: str,
    as_json: bool,
) -> ExitCode:
    """Simulate a plan: what it changes, before it is deployed.

    PLAN is an id, the beginning of one, or `latest`. The simulation says which files, requests and
    records the plan touches, and which workflows, outputs and panels may change. It migrates a copy
    of the running app's state. Recorded traffic lies in runs/growth/recordings.

    In a rehearsal, the crew builds the plan, and both apps get the recorded traffic and the state
    of the running app: a plan of medium or high risk needs it, and the first stage of an app.
    Without a model and a key, rules build what needs none. A deployment goes on with the same run.
    With --json, a rehearsal prints each event of the run as
    a line first. Exit with 4 if a response changes that the plan does not touch, or if the built
    app does not take over the state.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.plans import describe_simulation, required_depth, simulate
    from attractor.growth.simulation.report import Depth

    plane = control_plane_of(invocation)
    depth = required_depth(plane, plan)
    if rehearse is not None:
        depth = Depth.REHEARSAL if rehearse else Depth.SPEC
    if depth is Depth.REHEARSAL:
        watched = watched_plane(invocation, as_json=as_json, model=model, provider=provider)
        with watched as plane:
            simulate(plane, plan, depth)
    else:
        simulate(plane, plan, depth)
    report = describe_simulation(plane, plan)
    show_result(
        report, *simulation_lines(report), as_json=as_json, is_line=depth is Depth.REHEARSAL
    )
    return ExitCode.REFUSED if report["faults"] else ExitCode.DONE


part = simulate_growth
