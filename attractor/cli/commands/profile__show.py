"""Show a profile and its effective policy."""

import click

from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.resources import stores_of, version_line
from attractor.cli.shell_completion import complete_profiles
from attractor.factory.resources.effective import effective_record


@click.command("show")
@click.argument("reference", metavar="NAME[@REVISION]", shell_complete=complete_profiles)
@json_option
@click.pass_obj
def show_profile(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Show a profile and its effective policy, with all defaults."""
    store = stores_of(invocation).profiles
    version = store.versions.find(reference)
    profile = store.read(version)
    record = effective_record(profile)
    if as_json:
        show_json({**version.to_record(), "effective": record})
    else:
        lines = [f"  {key} = {value}" for key, value in _leaves("", record)]
        show("\n".join([version_line(version), *lines]))
    return ExitCode.DONE


def _leaves(path: str, value: Json) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        inner = [(f"{path}.{key}" if path else key, one) for key, one in value.items()]
        return [leaf for key, one in inner for leaf in _leaves(key, one)]
    if isinstance(value, list):
        return [(path, ", ".join(map(str, value)) or "none")]
    return [(path, "none" if value in (None, "", {}) else str(value))]


part = show_profile
