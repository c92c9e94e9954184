"""An adapter that the toolsmith proposes: checked by rule, and tried on a twin of its answers.

A proposal changes nothing. A person plans it, and reviews and deploys it like every other plan.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import Field

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json
from attractor.growth.apps.routes import service_operations
from attractor.growth.apps.twin_draft import example, twin_text
from attractor.growth.crew.contract import Message
from attractor.growth.http_client import HttpClient, Operation, ServiceFailed
from attractor.growth.morph import write_morph
from attractor.growth.morphs.add_adapter import AddAdapter, NewOperation
from attractor.growth.specification.graph import SpecGraph
from attractor.llm.json_schema import find_faults

ADAPTER_FILE, TWIN_FILE = "adapter.json", "twin.toml"


class ProposedOperation(NewOperation):
    """An operation, with an answer of the service for its twin."""

    answer: str = Field(description="an answer of the service, as JSON")


class ProposedAdapter(Message):
    """A service that a step needs, and that the specification does not know."""

    name: str
    why: str = Field(description="what no step can do without the service")
    operations: tuple[ProposedOperation, ...]

    @property
    def morph(self) -> AddAdapter:
        """The morph that adds the adapter."""
        plain = [one.model_dump(exclude={"answer"}) for one in self.operations]
        return AddAdapter(name=self.name, operations=tuple(NewOperation(**one) for one in plain))

    def files(self, graph: SpecGraph) -> Mapping[str, str]:
        """Return the files for a person: a proposal of a plan, and the twin."""
        proposal = {"morphs": [write_morph(self.morph)], "tests": []}
        return {
            ADAPTER_FILE: json.dumps(proposal, indent=1, ensure_ascii=False) + "\n",
            TWIN_FILE: twin_text(self.morph.id, *self._tables(graph)),
        }

    def faults(self, graph: SpecGraph) -> Sequence[str]:
        """Return the faults of the answers; raise InvalidSpec or InvalidMorph for the adapter."""
        # Imported here, because only a proposal is tried.
        from attractor.twins.server.hosting import in_background
        from attractor.twins.services.service import parse_service
        from attractor.twins.services.service_twin import ServiceTwin

        name = self.morph.id
        try:
            operations, answers = self._tables(graph)
        except NotCanonical as cause:
            return [f"adapter: answer: {cause.message}"]
        found = [
            f"adapter: {key}: answer: {fault}"
            for key, one in operations.items()
            for fault in _faults_of_answer(answers[key], one)
        ]
        if found:
            return found
        service = parse_service(twin_text(name, operations, answers))
        with in_background(ServiceTwin(service)) as twin:
            url, token = (twin.environ()[f"{name.upper()}_{one}"] for one in ("URL", "TOKEN"))
            client = HttpClient(url, token, operations)
            return [fault for key in operations for fault in _try(client, key, operations[key])]

    def _tables(self, graph: SpecGraph) -> tuple[Mapping[str, Operation], Mapping[str, Json]]:
        """Return the operations by name, and the answer of each."""
        operations = service_operations(self.morph.apply(graph), self.morph.id)
        answers = [parse_json(one.answer) for one in self.operations]
        return operations, dict(zip(operations, answers, strict=True))


def _faults_of_answer(answer: Json, operation: Operation) -> Sequence[str]:
    text = json.dumps(answer)
    # A twin would evaluate it.
    if any(mark in text for mark in ("{{", "{%", "{#")):
        return ["{{, {% and {# are expressions of twins"]
    return find_faults(answer, dict(operation.output_schema))


def _try(client: HttpClient, name: str, operation: Operation) -> Sequence[str]:
    """Call an operation of the twin once, and return its faults."""
    try:
        given = cast("dict[str, Any]", example(operation.input_schema))
        answer = client.call(name, given)
    except ServiceFailed as error:
        return [f"adapter: {error}"]
    faults = find_faults(answer, dict(operation.output_schema))
    return [f"adapter: {name}: answer of the twin: {fault}" for fault in faults]
