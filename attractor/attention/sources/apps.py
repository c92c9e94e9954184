"""Apps that went down by themselves."""

from collections.abc import Iterator, Mapping

from attractor.attention.rows import AttentionRow, Choice, Settler
from attractor.attention.source import Look, Source


def _rows(look: Look) -> Iterator[AttentionRow]:
    if look.growth is None:
        return
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.start import down_app
    from attractor.supervision.process import ProcessStatus

    if app := down_app(look.project):
        left = ", and its processes are left" if app.status is ProcessStatus.LEFT else ""
        yield AttentionRow(
            id=f"app:{look.project.project_id}:{app.since.isoformat()}",
            need="app",
            project=look.project,
            name=look.project.root.name,
            reason=f"the app went down{left}",
            since=app.since,
            command="attractor up --once",
            choices=[Choice("start", "start the app", "g")],
            act=_start,
        )


def _start(choice: str, fields: Mapping[str, str], at: Settler) -> str:
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.start import start_by_order

    return f"the app answers at {start_by_order(at.opened.project)}"


part = Source(_rows)
