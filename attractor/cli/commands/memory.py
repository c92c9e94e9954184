"""List, take, drop and export the lessons that agents proposed."""

from functools import partial

import click

from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_json, show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.factory.lessons import find_fault, memory_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.language.source.text import visible
from attractor.memory.decisions import (
    drop as drop_lesson,
    export as export_lessons,
    find_gone,
    take as take_lesson,
)
from attractor.memory.records import LessonHistory, LessonStatus, LessonView, read_memory


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def memory(ctx: click.Context, as_json: bool) -> ExitCode:
    """List, take, drop and export the lessons that agents proposed at the ends of their tasks.

    A lesson is quoted in prompts only after a person took it. Without a command, list the lessons.
    """
    if ctx.invoked_subcommand is None:
        return _list(opened_of(ctx.ensure_object(Invocation)), as_json=as_json)
    return ExitCode.DONE


@memory.command("list")
@json_option
@click.pass_obj
def list_(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the proposed and the taken lessons, and the dropped ones that a proposed one resembles.

    A lesson is marked whose run or file is gone.
    """
    return _list(opened_of(invocation), as_json=as_json)


@memory.command()
@click.argument("lesson", metavar="ID")
@json_option
@click.pass_obj
def take(invocation: Invocation, lesson: str, as_json: bool) -> ExitCode:
    """Let prompts of matching tasks quote a lesson from now on."""
    by, opened = operator_name(invocation, Scope.DECIDE), opened_of(invocation)
    place, fault = memory_of(opened), partial(find_fault, opened)
    return _show(take_lesson(lesson, place, by, opened.now(), fault), as_json=as_json)


@memory.command()
@click.argument("lesson", metavar="ID")
@json_option
@click.pass_obj
def drop(invocation: Invocation, lesson: str, as_json: bool) -> ExitCode:
    """Let no prompt quote a lesson; one with the same words or evidence is not shown again."""
    by, opened = operator_name(invocation, Scope.DECIDE), opened_of(invocation)
    return _show(drop_lesson(lesson, memory_of(opened), by, opened.now()), as_json=as_json)


@memory.command()
@json_option
@click.pass_obj
def export(invocation: Invocation, as_json: bool) -> ExitCode:
    """Print the taken lessons as Markdown, such as for AGENTS.md."""
    by, opened = operator_name(invocation, Scope.DECIDE), opened_of(invocation)
    taken = export_lessons(memory_of(opened), by, opened.now())
    words = [f"- {visible(one.lesson.what)} ({visible(one.lesson.why)})" for one in taken]
    shown: list[Json] = [one.to_record() for one in taken]
    return show_result(shown, "\n".join(words) or "No lesson is taken.", as_json=as_json)


def _list(opened: OpenProject, *, as_json: bool) -> ExitCode:
    history = read_memory(memory_of(opened))
    shown = [*history.open, *history.taken]
    if as_json:
        show_json([_record(one, history, opened) for one in shown])
        return ExitCode.DONE
    lines = [line for one in shown for line in _lines(one, history, opened)]
    hint = "There are no lessons: agents propose them at the ends of their tasks."
    return show_result(None, "\n".join(lines) or hint, as_json=False)


def _record(view: LessonView, history: LessonHistory, opened: OpenProject) -> dict[str, Json]:
    similar = history.resembling(view.lesson)
    return {
        **view.to_record(),
        "gone": [*find_gone(view.lesson, opened.project.runs_dir, opened.project.root)],
        "dropped_before": [one.to_record() for one in similar],
    }


def _lines(view: LessonView, history: LessonHistory, opened: OpenProject) -> list[str]:
    lesson = view.lesson
    gone = find_gone(lesson, opened.project.runs_dir, opened.project.root)
    by = f" by {view.by}" if view.by else ""
    lines = [f"{lesson.id}  {view.status}{by}  {lesson.what}", f"  why: {lesson.why}"]
    lines += [f"  seen in run {cite.run_id}, event {cite.seq}" for cite in lesson.cites]
    lines += [f"  gone: {one}" for one in gone]
    if view.status is LessonStatus.PROPOSED:
        resembling = history.resembling(lesson)
        lines += [f"  like the dropped {one.lesson.id}: {one.lesson.what}" for one in resembling]
        lines.append(f"  attractor memory take {lesson.id}")
    return [visible(line) for line in lines]


def _show(view: LessonView, *, as_json: bool) -> ExitCode:
    words = f"{view.lesson.id} is {view.status} by {view.by}: {view.lesson.what}"
    return show_result(view.to_record(), visible(words), as_json=as_json)


part = memory
