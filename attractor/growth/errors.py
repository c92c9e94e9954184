"""The errors of specifications and their growth.

AttractorError
├── AppFailed                1  a generated app that does not start or fails at a command
└── ModelAnswerRefused       1  a model that gave no valid answer

UsageError
├── InvalidDesire            2  an invalid desire of a user
├── InvalidSpec              2  an invalid specification document or graph
├── InvalidMorph             2  a morph that does not fit the specification
├── InvalidState             2  an invalid file of recorded state
├── InvalidDevelopment       2  an invalid developmental specification
├── InvalidApp               2  an invalid file of a generated app
├── InvalidRecording         2  an invalid recording of traffic
├── InvalidSimulation        2  an invalid report of a simulation
├── InvalidLineage           2  an invalid file of a stage, or a lineage that does not fit together
├── InvalidFeedback          2  invalid counts of an app, or an invalid verdict on a run
├── UnknownGraph             2  an unknown pipeline of growth
├── InvalidAnswer            2  an answer of an agent that does not match its contract
└── UnknownSpecNode          2  an unknown node of a specification

UnknownName
├── UnknownSpec              2  an unknown specification
└── UnknownPlan              2  an unknown plan

Refused
└── PlanRefused              4  a plan that may not be made
"""

from attractor.base.errors import AttractorError, Refused, UnknownName, UsageError


class ModelAnswerRefused(AttractorError):
    """A model that gave no valid answer, also after its repairs."""

    hint = "ask again, write the text more clearly, or choose another model (llm.model)"


class InvalidDesire(UsageError):
    """An invalid desire of a user."""


class InvalidSpec(UsageError):
    """An invalid specification document or graph."""


class InvalidMorph(UsageError):
    """A morph that does not fit the specification."""


class InvalidState(UsageError):
    """An invalid file of recorded state."""


class InvalidDevelopment(UsageError):
    """An invalid developmental specification."""


class InvalidApp(UsageError):
    """An invalid file of a generated app."""


class InvalidRecording(UsageError):
    """An invalid recording of traffic."""


class InvalidSimulation(UsageError):
    """An invalid report of a simulation."""


class InvalidFeedback(UsageError):
    """Invalid counts of an app, or an invalid verdict on a run."""


class UnknownGraph(UsageError):
    """An unknown pipeline of growth."""


class InvalidAnswer(UsageError):
    """An answer of an agent that does not match its contract."""


class UnknownSpecNode(UsageError):
    """An unknown node of a specification."""

    hint = "list the nodes with 'attractor spec show'"


class InvalidLineage(UsageError):
    """An invalid file of a stage, or a lineage that does not fit together."""


class UnknownSpec(UnknownName):
    """An unknown specification."""

    hint = "write one with 'attractor spec normalize'"


class UnknownPlan(UnknownName):
    """An unknown plan."""

    hint = "list the plans with 'attractor grow status'"


class PlanRefused(Refused):
    """A plan that may not be made."""


class AppFailed(AttractorError):
    """A generated app that does not start or fails at a command."""

    hint = "run 'python -m app serve' in its repository"
