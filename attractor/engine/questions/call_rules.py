"""Rules about tool calls, such as `Bash(git status*)`: which calls need no question to a person.

A rule names a tool, and a pattern of the command or of the path; `*` stands for any text, also for
none. Rules only save questions: what a call can do is limited by the sandbox.
"""

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import dropwhile

from attractor.base.call_text import describe_call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import JsonObject
from attractor.base.patterns import late_pattern


class PermissionMode(StrEnum):
    """What limits the tool calls of an agent: the sandbox alone, or also a person who is asked."""

    SANDBOX = "sandbox"
    ASK = "ask"


@dataclass(frozen=True)
class CallPermissions:
    """Whether a person is asked before tool calls, and the rules that come before the person."""

    mode: PermissionMode = PermissionMode.SANDBOX
    allow: Sequence[str] = ()
    deny: Sequence[str] = ()

    @property
    def asks(self) -> bool:
        """Whether a person is asked."""
        return self.mode is PermissionMode.ASK

    def within(self, outer: "CallPermissions") -> "CallPermissions":
        """Return the permissions of a run in those of its profile: the stricter mode, all rules."""
        mode = PermissionMode.ASK if self.asks or outer.asks else PermissionMode.SANDBOX
        allow = (*outer.allow, *self.allow)
        return CallPermissions(mode, allow, (*outer.deny, *self.deny))


SANDBOX_LIMITS = CallPermissions()


def require_permissions(
    mode: PermissionMode, allow: Sequence[str], deny: Sequence[str]
) -> CallPermissions:
    """Return the permissions that a person chose, or refuse rules that would do nothing."""
    for rule in (*allow, *deny):
        parse_rule(rule)
    if (allow or deny) and mode is not PermissionMode.ASK:
        hint = 'add --permissions ask (in a profile: permissions = "ask"), or leave the rules out'
        raise UsageError("rules about tool calls need a person who is asked", hint=hint)
    return CallPermissions(mode, allow, deny)


_SHELL, _EDIT, _READ, _FETCH, _INWARD = "bash", "edit", "read", "webfetch", "(inward)"
_SHOWN = {_SHELL: "Bash", _EDIT: "Edit", _READ: "Read"}
_KINDS = {
    **dict.fromkeys(("bash", "shell", "execute", "run_shell_command", "monitor"), _SHELL),
    **dict.fromkeys(("edit", "write", "multiedit", "notebookedit"), _EDIT),
    **dict.fromkeys(("edit_file", "write_file", "apply_patch", "replace"), _EDIT),
    **dict.fromkeys(("read", "glob", "grep", "ls", "list_dir", "notebookread"), _READ),
    **dict.fromkeys(("read_file", "read_many_files", "search"), _READ),
    **dict.fromkeys(("webfetch", "web_fetch"), _FETCH),
    # The agent's notes, and what it knows about itself and other agents.
    **dict.fromkeys(("todowrite", "taskcreate", "taskupdate", "taskget", "tasklist"), _INWARD),
    **dict.fromkeys(("toolsearch", "listagents", "reportfindings"), _INWARD),
    **dict.fromkeys(("list_actors", "mcp__attractor__list_actors"), _INWARD),
    **dict.fromkeys(("read_answer", "mcp__attractor__read_answer"), _INWARD),
}
# They also read files that their arguments do not name.
_SEARCHES = ("glob", "grep", "ls", "list_dir", "search")
_PATHS = ("file_path", "path", "notebook_path")
_PATH_LISTS = ("paths", "locations")
_EDITORS = {"patch": "apply_patch", "old_string": "edit_file", "content": "write_file"}
_IN_PATCH = late_pattern(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$", re.M)


@dataclass(frozen=True)
class AskedCall:
    """A tool call that an agent wants to make in a folder.

    `why` is the reason that the agent gives. With `is_editable`, a person may give another command.
    """

    tool: str
    arguments: JsonObject
    folder: str
    why: str = ""
    is_editable: bool = False

    @property
    def kind(self) -> str:
        """The tool as rules name it: several tools run commands, change files, or read them."""
        return _KINDS.get(self.tool.casefold(), self.tool.casefold())

    @property
    def command(self) -> str:
        """The shell command, if the call is one."""
        match self.arguments.get("command"):
            case str() as text:
                return text
            case list() as words:
                return shlex.join(map(str, words))
            case _:
                return ""

    @property
    def subjects(self) -> Sequence[str]:
        """The command, or the paths; what the patterns of rules are compared with."""
        if self.kind == _SHELL:
            return [self.command]
        paths = _paths(self.arguments) if self.kind in _SHOWN else ()
        return [*dict.fromkeys(map(self._in_folder, paths))]

    @property
    def rule(self) -> str:
        """The rule that allows this call, and none with another command or path.

        Only a call with one command or path has one.
        """
        match self.subjects:
            case [subject] if subject.strip():
                return f"{_SHOWN[self.kind]}({_escape(subject)})"
            case _:
                return ""

    @property
    def changes(self) -> str:
        """The changed lines of files, as far as the arguments show them."""
        named = (name for key, name in _EDITORS.items() if key in self.arguments)
        return "\n".join(describe_call(next(named, ""), self.arguments)[1:])

    def describe(self) -> str:
        """Return the call in a line."""
        subjects = "; ".join(self.subjects)
        return f"{_SHOWN.get(self.kind, self.tool)}: {subjects}" if subjects else self.tool

    def _in_folder(self, path: str) -> str:
        """Return a path in the folder; another one is absolute."""
        whole = _normal(posixpath.join(self.folder, path))
        inside = posixpath.relpath(whole, self.folder)
        return whole if inside.split("/")[0] == ".." else inside


def _paths(arguments: JsonObject) -> Iterator[str]:
    for name in _PATHS:
        if isinstance(path := arguments.get(name), str):
            yield path
    for name in _PATH_LISTS:
        if isinstance(paths := arguments.get(name), list):
            yield from map(str, paths)
    if isinstance(patch := arguments.get("patch"), str):
        yield from (path.strip() for path in _IN_PATCH.findall(patch))


def _normal(path: str) -> str:
    return re.sub("^//", "/", posixpath.normpath(path))


@dataclass(frozen=True)
class CallRule:
    """A rule about the calls of a tool, or of several: `Bash`, `Edit` and `Read` mean each tool
    that does so. Without a pattern, it is about each call.
    """

    tool: str
    pattern: str | None

    def is_about(self, call: AskedCall) -> bool:
        """Return whether the rule is about the tool of a call."""
        return self.tool in (call.kind, call.tool.casefold())

    def permits(self, call: AskedCall) -> bool:
        """Return whether the rule is about all that a call does.

        A pattern with `*` is only compared with plain commands.
        """
        if self.pattern is None or not self.is_about(call):
            return self.is_about(call)
        if call.kind == _SHELL:
            is_clear = len(self._texts) == 1 or is_plain_command(call.command)
            return is_clear and self._matches(call.command)
        paths = call.subjects
        return bool(paths) and all(self._matches_path(path, call.folder) for path in paths)

    def forbids(self, call: AskedCall) -> bool:
        """Return whether the rule is about a part of what a call does."""
        if self.pattern is None or not self.is_about(call):
            return self.is_about(call)
        if call.kind == _SHELL:
            return any(map(self._matches, _spellings(call.command)))
        return any(self._matches_path(path, call.folder) for path in call.subjects)

    def _matches_path(self, path: str, folder: str) -> bool:
        """Return whether a path matches; if the pattern is not absolute, only in the folder."""
        if (self.pattern or "").startswith("/"):
            return self._matches(_normal(posixpath.join(folder, path)))
        return not path.startswith("/") and self._matches(path)

    @property
    def _texts(self) -> Sequence[str]:
        """The texts of the pattern between its `*`."""
        return [_ESCAPED.sub(r"\1", text) for text in _STAR.split(self.pattern or "")]

    def _matches(self, subject: str) -> bool:
        first, *rest = self._texts
        if not rest:
            return subject == first
        at = len(first)
        for text in rest[:-1]:
            found = subject.find(text, at)
            if found < 0:
                return False
            at = found + len(text)
        whole = subject.startswith(first) and subject.endswith(rest[-1])
        return whole and len(subject) - len(rest[-1]) >= at


_RULE = late_pattern(r"\s*([\w.:/-]+)(?:\((.*)\))?\s*", re.DOTALL)
_STAR = late_pattern(r"(?<!\\)\*")
_GLOB = late_pattern(r"[*?\[{]")
_ESCAPED = late_pattern(r"\\([\\*])")
_PARTS = late_pattern(r"[;&|\n()`{}]+")
# Words before a program.
_BEFORE = late_pattern(r"\w+=.*|if|then|elif|else|while|until|do|!|time", re.DOTALL)
# Expansions, further commands and redirections: what runs is not what is written.
_NOT_PLAIN = late_pattern(r"[;&|<>()$`\\\n\r{}!#]")


def _escape(subject: str) -> str:
    return re.sub(r"([\\*])", r"\\\1", subject)


def parse_rule(text: str) -> CallRule:
    """Read a rule such as `Bash(git status*)`, `Edit(docs/*)` or `WebFetch`."""
    match = _RULE.fullmatch(text)
    name, pattern = (match[1].casefold(), match[2]) if match else ("", None)
    kind = _KINDS.get(name, "")
    hint = "write the tool, and a pattern of its command or path: Bash(git status*)"
    if hint := _find_fault(kind, pattern) if match else hint:
        raise UsageError(f"invalid rule about tool calls {text!r}", hint=hint)
    if pattern and kind != _SHELL:
        pattern = _normal(f"{pattern}*" if pattern.endswith("/") else pattern)
    return CallRule(kind if kind == _FETCH else name, pattern)


def _find_fault(kind: str, pattern: str | None) -> str:
    """Return what to write instead of a pattern that matches nothing, or an empty text."""
    if pattern is None:
        return ""
    if kind not in _SHOWN:
        return "write it without a pattern: only Bash, Edit, Read and their tools have one"
    if not pattern.strip():
        return "write it without parentheses, for each call of the tool"
    if kind == _SHELL:
        return "write a space for the colon: Bash(git status *)" if pattern.endswith(":*") else ""
    is_outside = _normal(pattern).split("/")[0] == ".."
    return "write a path outside of the folder as a whole: Edit(/etc/*)" if is_outside else ""


def _spellings(command: str) -> Iterator[str]:
    """Yield the parts of a command as they are written, and by the words that a shell reads."""
    for part in (command, *_PARTS.split(command)):
        yield part.strip()
        try:
            words = shlex.split(part)
        except ValueError:
            words = part.split()
        if plain := [*dropwhile(_BEFORE.fullmatch, words)]:
            for name in (plain[0], posixpath.basename(plain[0])):
                text = shlex.join([name, *plain[1:]])
                # `rm *` is also about rm without arguments.
                yield from (text, f"{text} ")


def is_plain_command(command: str) -> bool:
    """Return whether a command is one program with its arguments, without expansions."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return bool(words) and not _NOT_PLAIN.search(command) and "=" not in words[0]


_READERS = ("ls", "pwd", "cat", "head", "tail", "wc")
_GIT_READERS = ("status", "diff", "log", "show")
_WRITES = "--output"


@dataclass(frozen=True)
class Ruling:
    """A rule, and whether it allows a call."""

    is_allowed: bool
    rule: str


ONLY_READS = "what only reads"
"""The rule that comes with the program."""


def find_rule(
    call: AskedCall, permissions: CallPermissions, learnt: Iterable[str]
) -> Ruling | None:
    """Return the rule that decides about a call, or None: then a person is asked.

    A refusal comes first, then what is allowed, then what only reads.
    """
    for text in permissions.deny:
        if parse_rule(text).forbids(call):
            return Ruling(False, text)
    for text in (*permissions.allow, *learnt):
        if parse_rule(text).permits(call):
            return Ruling(True, text)
    return Ruling(True, ONLY_READS) if _only_reads(call, permissions.deny) else None


def _only_reads(call: AskedCall, deny: Iterable[str]) -> bool:
    if call.kind == _READ:
        return _names_files(call) or not any(parse_rule(text).is_about(call) for text in deny)
    if call.kind == _INWARD:
        return True
    if call.kind != _SHELL or not is_plain_command(call.command):
        return False
    program, *words = shlex.split(call.command)
    if program == "git":
        return words[:1] != [] and words[0] in _GIT_READERS and not any(map(_may_write, words))
    return program in _READERS


def _names_files(call: AskedCall) -> bool:
    """Return whether a call that reads names all files, so that refusals are compared with them."""
    is_search = call.tool.casefold() in _SEARCHES
    return not is_search and bool(call.subjects) and not any(map(_GLOB.search, call.subjects))


def _may_write(word: str) -> bool:
    """Return whether a word is an option of git that writes, which can be shortened."""
    option = word.partition("=")[0]
    return len(option) > 2 and (_WRITES.startswith(option) or option.startswith(_WRITES))
