"""Simulate a plan: what it changes, before it is deployed."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.growth import control_plane_of, simulation_lines


@click.command("simulate")
@click.argument("plan", metavar="PLAN")
@json_option
@click.pass_obj
def simulate_growth(invocation: Invocation, plan: str, as_json: bool) -> ExitCode:
    """Simulate a plan: what it changes, before it is deployed.

    The simulation says which files, requests and records the plan touches, and which workflows,
    outputs and panels may change. Recorded traffic lies in runs/growth/recordings.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api import describe_simulation, simulate

    control_plane = control_plane_of(invocation)
    simulate(control_plane, plan)
    report = describe_simulation(control_plane, plan)
    if as_json:
        show_json(report)
    else:
        show("\n".join(simulation_lines(report)))
    return ExitCode.REFUSED if report["faults"] else ExitCode.DONE


part = simulate_growth
