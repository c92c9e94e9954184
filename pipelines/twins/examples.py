"""Answers of a provider twin for all example pipelines, in a project such as `examples/todo`.

Each stage runs one shell command and reports success; agents without a shell look at the files. The
files are placeholders: a real model writes real ones.
"""

from attractor.twins import Answer, Conversation

FAILS = (
    "import pathlib, unittest; "
    "T = type('T', (unittest.TestCase,), "
    "{'test_it': lambda one: one.assertTrue(pathlib.Path('FIXED').exists())})"
)
COMMANDS = {
    # nightly_report.dot
    "Write into CHECKS.md what you ran": "echo 'make test: ok' > CHECKS.md",
    "Write REPORT.md from CHECKS.md": "echo 'All is well.' > REPORT.md",
    # feature.dot, plan_implement_review.dot
    "Write PLAN.md": "echo '1. Do it. 2. Test it.' > PLAN.md",
    "Read PLAN.md as the maintainer": "cat PLAN.md",
    "Carry out PLAN.md": "make test",
    "Review the whole change as a stranger": "make test",
    # roles.dot
    "Plan the work for TASK.md": "",
    "Carry out the plan for TASK.md": "make test",
    "Fix each fault": "make test",
    "Use what TASK.md asked for": "make test",
    "Review the change for TASK.md": "",
    # reviewed_change.dot
    "Do what TASK.md asks": "make test",
    "The change is not accepted yet": "make test",
    "Add a line to CHANGELOG.md": "echo '- It is tidy.' >> CHANGELOG.md",
    # styled.dot
    "Write it into PLAN.md": "echo 'A loop.' > PLAN.md",
    "Write the example that PLAN.md chose": "echo 'print(1)' > example.py",
    "Write ANSWER.md": "echo 'Run python3 example.py.' > ANSWER.md",
    "Read QUESTION.md and follow ANSWER.md": "python3 example.py",
    # bug_fix.dot
    "write one test that fails": f'echo "{FAILS}" > test_it.py; echo test_it.py > TEST.txt',
    "Write it into CAUSE.md": "echo 'FIXED is missing.' > CAUSE.md",
    "Fix the cause that CAUSE.md names": "touch FIXED",
    # refactor.dot
    "A refactoring is planned": "make test",
    "Go in small steps": "make test",
    "Compare the code with the code before": "make test",
    # review.dot
    "Write FINDINGS.md": "echo '1. It forgets.' > FINDINGS.md",
    "Try to refute each one": "echo 'Nothing holds.' > REVIEW.md",
    # candidates.dot
    "Write bench.sh": "echo 'expr 9 - $(grep -o \"# fast\" todo.py | wc -l)' > bench.sh",
    "By a better algorithm": "echo '# fast # fast' >> todo.py",
    "By a better layout": "echo '# fast' >> todo.py",
    "By not doing the same work twice": "echo '# fast' >> todo.py",
    # release.dot
    "Write the notes of this release": "echo '- It can be released.' >> CHANGELOG.md",
    "Install what was built": "ls dist",
    "Something keeps this release": "make test dist",
    # supervised.dot
    "Read IDEA.md": "echo 'Do what IDEA.md wishes.' > TASK.md",
    "Write SUMMARY.md": "echo 'Done.' > SUMMARY.md",
    # migration.dot
    "Write TODO.txt": "echo todo.py > TODO.txt",
    "Move the file in the first line": "make test",
    "cannot be moved on its own": "make test",
    "Search the project for uses of the old library": "grep -n import todo.py",
}


def answer(conversation: Conversation, attempt: int) -> Answer | None:
    """Run the command of the stage, report success, then end."""
    task = conversation.first_user
    if "Choose one of these candidates" in task:
        return Answer(text="algorithm")
    command = next((one for words, one in COMMANDS.items() if words in task), None)
    if command is None:
        return None
    look = {"name": "glob", "arguments": {"pattern": "*"}}
    calls = [
        {"name": "shell", "arguments": {"command": command}} if command else look,
        {"name": "report_outcome", "arguments": {"outcome": "success"}},
    ]
    if conversation.step < len(calls):
        return Answer.model_validate({"tool_calls": [calls[conversation.step]]})
    return Answer(text="Done.")
