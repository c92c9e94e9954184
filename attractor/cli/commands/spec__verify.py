"""Verify that an app is what its specification and its promotion say."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of, morph_words, release_lines
from attractor.language.source.text import visible


@click.command("verify")
@click.option(
    "--reconverge",
    is_flag=True,
    help="Restore files that differ, and keep the edits under incidents/.",
)
@json_option
@click.pass_obj
def verify_spec(invocation: Invocation, reconverge: bool, as_json: bool) -> ExitCode:
    """Verify that an app is what its specification and its promotion say.

    Compare skeleton, bodies, specification, lineage and generated.json byte for byte with the
    newest promoted commit (before the first one: regenerate the skeleton, and compare the
    others with the hashes in generated.json and the lineage). Print the morphs that lead to an
    edited specification, and its changes without a morph. Compare the running release, its
    packages and release.json with the ledger and its promoted commit. Exit with 1 if a file
    differs and is not restored.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import verify

    record = verify(control_plane_of(invocation), reconverge=reconverge)
    show_result(record, *map(visible, _lines(record, reconverge=reconverge)), as_json=as_json)
    remaining = record["refused"] if reconverge else record["divergences"]
    is_right = not remaining and not _release(record)["faults"]
    return ExitCode.DONE if is_right else ExitCode.FAILED


def _release(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was found about the running release."""
    return record["release"] or {"faults": [], "updated": []}


def _lines(record: Mapping[str, Any], *, reconverge: bool) -> Iterator[str]:
    yield f"compared with {record['promoted'][:12] or 'generated.json: nothing is promoted yet'}"
    yield from (f"committed since, and kept: {path}" for path in record["kept"])
    yield from (f"differs: {one['path']} ({one['kind']})" for one in record["divergences"])
    if record["proposal"]:
        morphs = map(morph_words, record["proposal"]["morphs"])
        yield from (f"edited specification, as a morph: {morph}" for morph in morphs)
    yield from (f"edited specification, no morph: {one}" for one in record["without_morph"])
    yield from (f"without effect: {one}" for one in record["without_effect"])
    release = _release(record)
    yield from (f"restored: {path}" for path in release.get("restored", []))
    if release.get("incident"):
        yield f"edits kept in {release['incident']}"
    yield from release_lines(release)
    if not record["divergences"]:
        yield from [] if release["faults"] else ["no problems found"]
    elif reconverge:
        yield from (f"restored: {path}" for path in record["restored"])
        if record["incident"]:
            yield f"edits kept in {record['incident']}"
        if record["proposal"]:
            yield f"next: attractor grow plan --proposal {record['incident']}/proposal.json"
        for path in record["refused"]:
            yield f"not restored: {path}: no promoted content is known; try git restore {path}"
    else:
        yield "next: attractor spec verify --reconverge"


part = verify_spec
