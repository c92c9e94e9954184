"""The line on Burr with its SQLite persister: an action for each step."""

from importlib.metadata import version

from burr.core import ApplicationBuilder, State
from burr.core.action import Action
from burr.core.persistence import SQLitePersister
from line import Line, main


class Step(Action):
    """An action that does the work of a step."""

    def __init__(self, line: Line, number: int) -> None:
        super().__init__()
        self._line, self._number = line, number

    @property
    def reads(self) -> list[str]:
        """Return no keys."""
        return []

    @property
    def writes(self) -> list[str]:
        """Return the key of the result."""
        return ["last"]

    def run(self, _state: State) -> dict[str, str]:
        """Do the work."""
        return {"last": self._line.step(self._number)}

    def update(self, result: dict[str, str], state: State) -> State:
        """Keep the result."""
        return state.update(**result)


def run(line: Line) -> str:
    """Run the application, or resume it after the last saved action."""
    names = [f"n{number}" for number in range(1, line.steps + 1)]
    with SQLitePersister(str(line.folder / "state.db")) as persister:
        persister.initialize()
        application = (
            ApplicationBuilder()
            .with_actions(**{name: Step(line, number) for number, name in enumerate(names, 1)})
            .with_transitions(*zip(names, names[1:], strict=False))
            .with_identifiers(app_id="line")
            .initialize_from(
                persister,
                resume_at_next_action=True,
                default_state={"last": ""},
                default_entrypoint=names[0],
            )
            .with_state_persister(persister)
            .build()
        )
        _, _, state = application.run(halt_after=[names[-1]])
    return state["last"]


if __name__ == "__main__":
    main(f"Burr {version('apache-burr')}", run)
