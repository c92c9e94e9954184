"""The receipt of an agent's stage: the result of the command in its attribute `receipt`.

The engine runs the command on the files that the stage left, so a receipt does not depend on the
words of an agent. It proves that the command ended with 0, not that the command tests anything.
"""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.truncation import one_line
from attractor.language.graph.graph import DEFAULT_TYPE, Node

RECEIPT = "receipt"
"""The attribute with the command, and its name in reasons and prompts."""

RECEIPT_TAKEN = "ReceiptTaken"
"""The event type of a receipt."""

RECEIPT_SKIPPED = "ReceiptSkipped"
"""The event type of a stage that succeeds without its command, such as a simulated one."""

RECEIPT_FILE = "receipt.txt"
"""The name of the file with the output of the command, in the stage folder."""

NO_RECEIPT = "no_receipt"
"""The beginning of the reason why a stage failed whose command did not end with 0."""

MOST_LINES = 10

LONGEST_WORDS = 200


@dataclass(frozen=True)
class Receipt:
    """The end of a command on a tree; `output_hash` is the SHA-256 of its redacted output.

    `tree_after` is the tree at the end of the command, if it differs and the workspace is not only
    the stage's: the command may have passed on files that others changed while it ran.
    """

    command: str
    exit_status: int
    tree: str
    seconds: float
    output_hash: str
    tree_after: str = ""

    def __str__(self) -> str:
        return f"{one_line(self.command, LONGEST_WORDS)}: exit status {self.exit_status}"


def receipt_command(node: Node) -> str:
    """Return the command of an agent's node, or an empty text."""
    return node.attributes.text(RECEIPT).strip() if node.type == DEFAULT_TYPE else ""


def add_receipt_note(prompt: str, command: str) -> str:
    """Return a prompt with a paragraph about the command."""
    return (
        f"{prompt}\n\nAfter you report success, this command runs in the top folder of the "
        f"workspace, after all programs that you started were ended:\n\n    {command}\n\n"
        "Unless its exit status is 0, your stage has failed, whatever you report."
    )


def last_lines(output: str) -> Sequence[str]:
    """Return the last lines of an output that are not blank."""
    return [line for line in output.splitlines() if line.strip()][-MOST_LINES:]
