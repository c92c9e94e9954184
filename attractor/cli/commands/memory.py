"""List, take, drop and export the lessons that agents proposed."""

import click

from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_json, show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.factory.lessons import (
    ShownLesson,
    drop_lesson,
    lessons_shown,
    memory_of,
    take_lesson,
)
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.language.source.text import visible
from attractor.memory.decisions import export as export_lessons
from attractor.memory.records import LessonStatus, LessonView


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
    by = operator_name(invocation, Scope.DECIDE)
    return _show(take_lesson(lesson, opened_of(invocation), by), as_json=as_json)


@memory.command()
@click.argument("lesson", metavar="ID")
@json_option
@click.pass_obj
def drop(invocation: Invocation, lesson: str, as_json: bool) -> ExitCode:
    """Let no prompt quote a lesson; one with the same words or evidence is not shown again."""
    by = operator_name(invocation, Scope.DECIDE)
    return _show(drop_lesson(lesson, opened_of(invocation), by), as_json=as_json)


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
    shown = lessons_shown(opened)
    if as_json:
        show_json([one.to_record() for one in shown])
        return ExitCode.DONE
    lines = [line for one in shown for line in _lines(one)]
    hint = "There are no lessons: agents propose them at the ends of their tasks."
    return show_result(None, "\n".join(lines) or hint, as_json=False)


def _lines(shown: ShownLesson) -> list[str]:
    view, lesson = shown.view, shown.view.lesson
    by = f" by {view.by}" if view.by else ""
    lines = [f"{lesson.id}  {view.status}{by}  {lesson.what}", f"  why: {lesson.why}"]
    lines += [f"  seen in run {cite.run_id}, event {cite.seq}" for cite in lesson.cites]
    lines += [f"  gone: {one}" for one in shown.gone]
    lines += [
        f"  like the dropped {one.lesson.id}: {one.lesson.what}" for one in shown.dropped_before
    ]
    if view.status is LessonStatus.PROPOSED:
        lines.append(f"  attractor memory take {lesson.id}")
    return [visible(line) for line in lines]


def _show(view: LessonView, *, as_json: bool) -> ExitCode:
    words = f"{view.lesson.id} is {view.status} by {view.by}: {view.lesson.what}"
    return show_result(view.to_record(), visible(words), as_json=as_json)


part = memory
