"""Start again what a crash or a reboot ended: actors whose work was cut, and messages that wait."""

import shlex
import time
from collections.abc import Sequence

import click

from attractor.base.clock import SystemClock
from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import THIS_PROGRAM, Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.language.source.text import visible
from attractor.worlds.apps import AppStarter, StartedApp
from attractor.worlds.records import actor_record
from attractor.worlds.up import FoundActor, Starter, find_actors

_PAUSE_S = 2.0
_SETTLE_S = 5.0
_UNIT = """\
[Unit]
Description=Attractor: agents that stay
[Service]
ExecStart={command}
Restart=on-failure
KillMode=process
[Install]
WantedBy=default.target
"""


@click.command()
@click.option("--once", is_flag=True, help="Start what is to start, and end.")
@click.option("--install", is_flag=True, help="Print a systemd unit that does this after a boot.")
@json_lines_option
@click.pass_obj
def up(invocation: Invocation, once: bool, install: bool, as_json: bool) -> ExitCode:
    """Start again what a crash or a reboot ended, over all projects, until Ctrl-C.

    An app of growth that was not stopped starts. An actor whose process died goes on with its task,
    and one with messages that wait begins, four at a time. If it was cut longer ago than
    worlds.resume_within, or twice, or its branch was merged, a person is asked instead: 'attractor
    attention next'. Processes that a dead one left running are ended first. A blocked actor is
    tried again after longer and longer pauses.
    """
    settings = invocation.configuration.settings
    if install:
        command = [*THIS_PROGRAM, "-c", f"state_dir={settings.state_dir}"]
        show(_UNIT.format(command=shlex.join([*command, "up"])).rstrip("\n"))
        show(
            "Save this as ~/.config/systemd/user/attractor.service, then: "
            "systemctl --user enable --now attractor; loginctl enable-linger",
            err=True,
        )
        return ExitCode.DONE
    within = parse_duration(settings.worlds.resume_within)
    shown, troubles, told = set[str](), set[str](), set[str]()

    def tell(sentence: str) -> None:
        if sentence not in told:
            show(visible(sentence), err=True)
        told.add(sentence)

    def report(trouble: str) -> None:
        troubles.add(trouble)
        tell(trouble)

    starter = Starter(settings.state_dir, invocation.environ, tell)
    apps = AppStarter(settings.state_dir, invocation.environ)
    while True:
        with apps.starting() as starting:
            found = find_actors(
                settings.state_dir,
                SystemClock().now(),
                within,
                starter.is_merged,
                report,
                patience_s=_SETTLE_S if once else 0.0,
            )
            _show([one for one in found if one.key not in shown], as_json=as_json)
            shown |= {one.key for one in found}
            starter.start(found)
            started = [*starting]
        _show_apps(started, as_json=as_json)
        if once and not (found or started or troubles or as_json):
            show("All is up: no actor has work without a process, and no app is down.")
        if once:
            is_down = any(one.fault for one in started)
            return ExitCode.UNFINISHED if troubles or is_down else ExitCode.DONE
        time.sleep(_PAUSE_S)


def _show_apps(started: Sequence[StartedApp], *, as_json: bool) -> None:
    for one in started:
        project = one.app.project
        if as_json:
            named: dict[str, Json] = {"id": project.project_id, "folder": str(project.root)}
            record = {"project": named, "app": one.app.status.value}
            show_json({**record, "url": one.url, "fault": one.fault}, is_line=True)
        elif one.words:
            show(visible(f"{project.root.name}: {one.words}"), err=bool(one.fault))


def _show(found: list[FoundActor], *, as_json: bool) -> None:
    for one in found:
        record: dict[str, Json] = {"question": one.question, "action": one.words}
        words = visible(f"{one.view.folder.qualified_name} {one.words}")
        show_result({**actor_record(one.view), **record}, words, as_json=as_json, is_line=True)


part = up
