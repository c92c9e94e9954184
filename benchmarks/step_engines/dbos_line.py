"""The line on DBOS with SQLite: a workflow that calls a step again and again."""

from importlib.metadata import version

from dbos import DBOS, SetWorkflowID
from line import Line, main


def run(line: Line) -> str:
    """Start the workflow; DBOS resumes an interrupted one with the same id when it is launched."""
    url = f"sqlite:///{line.folder / 'system.db'}"
    # A fixed version, because a killed process of the same program is resumed.
    DBOS(
        config={
            "name": "line",
            "system_database_url": url,
            "application_version": "1",
            "log_level": "ERROR",
        }
    )

    @DBOS.step()
    def step(number: int) -> str:
        return line.step(number)

    @DBOS.workflow()
    def workflow(steps: int) -> str:
        last = ""
        for number in range(1, steps + 1):
            last = step(number)
        return last

    DBOS.launch()
    with SetWorkflowID("line"):
        handle = DBOS.start_workflow(workflow, line.steps)
    last = handle.get_result()
    DBOS.destroy()
    return last


if __name__ == "__main__":
    main(f"DBOS {version('dbos')}", run)
