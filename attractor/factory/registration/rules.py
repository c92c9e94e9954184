"""Rules about suites and pipelines that a new run must follow, by what is registered of them.

Suites are slow to import, so a run without a suite imports none of them here.
"""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.errors import FileError, Refused, UsageError
from attractor.factory.open_project import OpenProject
from attractor.factory.resources.suite_figures import STRENGTHEN, weakness
from attractor.factory.resources.versions import LOCK, Version, registration_notes, split_pin
from attractor.pipeline.source.read import PipelineSource, pipeline_name


def require_suite_for(profile: str, version: Version | None, opened: OpenProject) -> None:
    """Refuse a suite that a profile does not admit: no person registered it, or it is weak.

    Without a version, the suite is to be registered by a lock, which measures nothing.
    """
    policy, by = opened.profile(profile).policy, split_pin(profile)[0]
    if policy.suites != "any" and (version is None or LOCK in version.data):
        raise Refused(
            f"{version or 'the suite'} is not registered by a person, as the profile {by} demands",
            hint="read it, then: attractor suite register FOLDER",
        )
    if (wanted := policy.min_wrong_noticed) is None:
        return
    if why := weakness(opened.figures(version.content) if version else None, wanted):
        raise Refused(f"{why}, as the profile {by} demands", hint=STRENGTHEN)


def name_fault(suite: str, name: str, opened: OpenProject) -> UsageError | None:
    """Return the fault of a pipeline whose name the suite of its run does not contain."""
    if not (sealed := opened.suite(suite)):
        return None
    # Suites are slow to import.
    from attractor.factory.resources.suites import other_pipeline

    folder = Path(str(opened.suites.versions.of_pin(suite).data["folder"]))
    return other_pipeline(split_pin(suite)[0], sealed.suite.settings.pipeline, name, folder)


def admit(opened: OpenProject, suite: str, pipeline: PipelineSource, file: Path) -> None:
    """Refuse a new run of a retired pipeline, or of one that its suite is not for."""
    opened.pipelines.require_in_use(pipeline, file)
    require_judged(opened, suite, pipeline, file)


def require_judged(opened: OpenProject, suite: str, pipeline: PipelineSource, file: Path) -> None:
    """Refuse a pipeline, or a version of a pipeline, that its suite is not for."""
    name, sealed = pipeline_name(pipeline.graph, file), opened.suite(suite)
    if fault := name_fault(suite, name, opened):
        raise fault
    named = sealed.suite.settings.pipeline if sealed else ()
    if wanted := opened.pipelines.other_versions(named, name, pipeline.content_hash):
        raise UsageError(
            f"the suite {split_pin(suite)[0]} is for {' or '.join(wanted)}, and {file} is "
            "another version",
            hint=f"run that version: attractor run {wanted[-1]}; or name the version of the "
            "file in suite.toml, and register the suite again",
        )


def describe_judges(suite: str, profile: str, opened: OpenProject) -> Iterator[str]:
    """Yield sentences about what judges a run, and about a suite edited since its seal."""
    if not suite:
        return
    version = opened.suites.versions.of_pin(suite)
    by = opened.profiles.versions.of_pin(profile) if profile else "the default profile"
    yield f"Judged by {version} and {by}."
    yield from (f"Note: {note}." for note in registration_notes(version))
    folder = Path(str(version.data["folder"]))
    if not folder.is_dir():
        yield f"The folder {folder} is missing; the sealed suite judges."
        return
    try:
        changes = opened.suites.changes(version)
    except (UsageError, FileError) as fault:
        # Only the sealed suite judges, so its folder stops no run.
        yield f"The sealed suite judges; it cannot be compared with {folder}: {fault.message}"
        return
    if changes:
        count = len([*changes.added, *changes.removed, *changes.changed])
        yield (
            f"{count} {'file differs' if count == 1 else 'files differ'} in {folder} from the "
            f"sealed suite, which judges. To judge by the files: attractor suite register {folder}"
        )
