"""`attractor lsp`: the real process answers a scripted client for every feature."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.cli.running import ATTRACTOR
from tests.examples import ROOT

TEXT = """digraph review {
    start [shape=Mdiamond]; exit [shape=Msquare]
    // 𝒜 letter of two units, and the plan
    subgraph cluster_a { label="𝒜"; plan [prompt="Plan", retry_target=plan] }
    work [promt="Work"]
    start -> plan -> work -> exit [label="𝒜"] }
"""
LIMIT = 30


class Client(LanguageClient):
    """A client that collects the diagnostics of a document."""

    def __init__(self) -> None:
        super().__init__("test", "1")
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

        def keep(params: types.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(params)

        self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(keep)

    async def next_diagnostics(self) -> Sequence[types.Diagnostic]:
        return (await asyncio.wait_for(self.published.get(), LIMIT)).diagnostics


class Editor:
    """One open document of a client."""

    def __init__(self, client: Client, uri: str) -> None:
        self.client, self.uri = client, uri
        self.document = types.TextDocumentIdentifier(uri)
        self.version = 1

    async def open(self, text: str) -> Sequence[types.Diagnostic]:
        item = types.TextDocumentItem(self.uri, "dot", self.version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.client.next_diagnostics()

    async def change(self, text: str) -> Sequence[types.Diagnostic]:
        self.version += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.version, self.uri),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )
        return await self.client.next_diagnostics()


@asynccontextmanager
async def server(*program: str) -> AsyncGenerator[Client]:
    client = Client()
    words = program or (ATTRACTOR, "lsp", "--stdio")
    await client.start_io(*words)  # pyright: ignore[reportUnknownMemberType]
    try:
        symbols = types.DocumentSymbolClientCapabilities(hierarchical_document_symbol_support=True)
        documents = types.TextDocumentClientCapabilities(document_symbol=symbols)
        able = types.ClientCapabilities(text_document=documents)
        params = types.InitializeParams(capabilities=able, process_id=None)
        await asyncio.wait_for(client.initialize_async(params), LIMIT)
        client.initialized(types.InitializedParams())
        yield client
    finally:
        await asyncio.wait_for(client.shutdown_async(None), LIMIT)
        client.exit(None)
        await asyncio.wait_for(client.stop(), LIMIT)


def at(line: int, column: int) -> types.Position:
    return types.Position(line, column)


def place(one: types.Range) -> tuple[int, int, int, int]:
    return one.start.line, one.start.character, one.end.line, one.end.character


def asked(answer: Any) -> Any:
    return asyncio.wait_for(answer, LIMIT)


async def _diagnostics(open_: Editor) -> None:
    await open_.open(TEXT)
    broken = await open_.change("digraph G { a -- b; c => d }")
    assert [(one.code, one.range.start.character) for one in broken] == [
        ("syntax", 14),
        ("syntax", 22),
    ]
    fixed = await open_.change(TEXT.replace("promt", "prompt"))
    assert [one.code for one in fixed] == ["paid_loop"]
    manager = "s [shape=Mdiamond]; e [shape=Msquare]; m [shape=house]; s -> m -> e"
    [refused] = await open_.change(f"digraph G {{ {manager} }}")
    assert refused.code == "runnable"
    assert "the manager has no child pipeline" in refused.message


async def _hover(open_: Editor) -> None:
    await open_.open(TEXT)
    ask = open_.client.text_document_hover_async
    key = await asked(ask(types.HoverParams(open_.document, at(3, 44))))
    assert "Instruction for the stage" in key.contents.value
    rule = await asked(ask(types.HoverParams(open_.document, at(4, 11))))
    assert "unknown_attribute" in rule.contents.value
    assert "Why:" in rule.contents.value
    node = await asked(ask(types.HoverParams(open_.document, at(5, 14))))
    assert node.contents.value.startswith("**plan** (codergen)")
    assert await asked(ask(types.HoverParams(open_.document, at(2, 0)))) is None
    shape = await asked(ask(types.HoverParams(open_.document, at(1, 20))))
    assert shape.contents.value.startswith("**Mdiamond** (shape)")


async def _completion(open_: Editor) -> None:
    await open_.open('digraph G {\n a -> b [label="𝒜", cond')
    params = types.CompletionParams(open_.document, at(1, 25))
    found = await asked(open_.client.text_document_completion_async(params))
    [condition] = [one for one in found.items if one.label == "condition"]
    assert place(condition.text_edit.range) == (1, 21, 1, 25)
    assert "outcome=success" in condition.documentation.value


async def _definition_and_references(open_: Editor) -> None:
    await open_.open(TEXT)
    params = types.DefinitionParams(open_.document, at(5, 15))
    found = await asked(open_.client.text_document_definition_async(params))
    assert place(found.range) == (3, 37, 3, 41)
    references = await asked(
        open_.client.text_document_references_async(
            types.ReferenceParams(types.ReferenceContext(True), open_.document, at(5, 15))
        )
    )
    assert [place(one.range)[0] for one in references] == [3, 3, 5]


async def _rename(open_: Editor) -> None:
    await open_.open(TEXT)
    ask = open_.client.text_document_rename_async
    edit = await asked(ask(types.RenameParams(open_.document, at(5, 15), "think")))
    assert [place(one.range) for one in edit.changes[open_.uri]] == [
        (3, 37, 3, 41),
        (3, 71, 3, 75),
        (5, 13, 5, 17),
    ]
    with pytest.raises(Exception, match="already"):
        await asked(ask(types.RenameParams(open_.document, at(5, 15), "work")))


async def _formatting(open_: Editor) -> None:
    await open_.open(TEXT)
    params = types.DocumentFormattingParams(open_.document, types.FormattingOptions(4, True))
    [edit] = await asked(open_.client.text_document_formatting_async(params))
    assert edit.new_text.startswith("digraph review {\n    start [shape=Mdiamond]\n    exit ")
    await open_.change("digraph G { a -- b }")
    assert await asked(open_.client.text_document_formatting_async(params)) is None


async def _code_actions(open_: Editor) -> None:
    await open_.open(TEXT)
    everything = types.Range(at(4, 0), at(4, 20))
    params = types.CodeActionParams(open_.document, everything, types.CodeActionContext([]))
    found = await asked(open_.client.text_document_code_action_async(params))
    edits = {one.title: one.edit.changes[open_.uri][0] for one in found}
    assert edits["did you mean prompt?"].new_text == "prompt"
    ignoring = edits["ignore unknown_attribute on this line"]
    assert ignoring.new_text == "  // attractor: ignore[unknown_attribute]"
    assert place(ignoring.range) == (4, 23, 4, 23)


async def _symbols(open_: Editor) -> None:
    await open_.open(TEXT)
    params = types.DocumentSymbolParams(open_.document)
    found = await asked(open_.client.text_document_document_symbol_async(params))
    assert [one.name for one in found] == ["start", "exit", "𝒜", "work"]
    box = found[2]
    assert (box.detail, [one.name for one in box.children]) == ("1 node", ["plan"])
    assert (place(box.range), place(box.selection_range)) == ((3, 4, 3, 78), (3, 13, 3, 22))
    [plan] = box.children
    assert (place(plan.range), place(plan.selection_range)) == ((3, 37, 3, 76), (3, 37, 3, 41))


FEATURES: Sequence[Callable[[Editor], Awaitable[None]]] = [
    *(_diagnostics, _hover, _completion, _definition_and_references, _rename, _formatting),
    *(_code_actions, _symbols),
]


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_server_answers_on_other_systems(system: str, tmp_path: Path) -> None:
    async def ask() -> None:
        program = ("-P", str(ROOT / "tests" / "other_system.py"), system, '[["lsp", "--stdio"]]')
        async with server(sys.executable, *program) as client:
            await _diagnostics(Editor(client, (tmp_path / "a.dot").as_uri()))

    asyncio.run(ask())


def test_one_server_answers_for_every_feature(tmp_path: Path) -> None:
    async def ask() -> None:
        async with server() as client:
            for number, feature in enumerate(FEATURES):
                await feature(Editor(client, (tmp_path / f"{number}.dot").as_uri()))

    asyncio.run(ask())
