"""The commands of the course: start, hint, solve, progress; `lab check NN` joins `lab check`."""

import json
import os
import sys
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]
Number = Annotated[str, typer.Argument(metavar="LAB", help="Its number: 00, 5, or the name of its folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (start, hint, solve, progress):
        app.command()(command)


def start(
    what: Annotated[
        str, typer.Argument(metavar="LAB|NAME", help="A lab's number; or a component that `lab kill` keeps away.")
    ],
    name: Annotated[str | None, typer.Option(help="Who you are, once: your numbers and results go by it.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin again; what you have is put aside.")] = False,
    as_json: Json = False,
) -> None:
    """Begin a lab: its files into work/, the stack that it needs, its question.  Example: lab start 05

    Files that are there already stay as they are. A stack that was not started for this lab is started anew.
    With a component's name: start what was killed with `lab kill`, wait until it is ready (lab start api-1).
    """
    if not what[:1].isdigit():
        from labkit.stack.change_commands import start_component

        start_component(what)
        return
    from rich.console import Console

    from labkit.course.manifest import read_course
    from labkit.course.starting import costs, shortage, start_lab
    from labkit.home import find_home
    from labkit.stack.ports import port_base
    from labkit.stack.progress import Progress

    home = find_home()
    chosen = read_course(home).lab(what)
    out = Console(stderr=as_json, highlight=False)
    out.print(f"[bold]Lab {chosen.number}: {chosen.title}[/]")
    out.print(f"takes      {costs(chosen, port_base(os.environ))}")
    if short := shortage(chosen):
        out.print(f"[yellow]careful:[/]   {short}; next: close something, or go on and see")
    begun = start_lab(chosen, home, os.environ, Progress(), name=name, fresh=fresh)
    if as_json:
        facts = {"lab": chosen.slug, "folder": str(begun.folder), "student": begun.student, "stack": begun.stack}
        print(json.dumps({**facts, "aside": str(begun.aside) if begun.aside else None}, indent=2))
        return
    if begun.aside:
        out.print(f"put aside  {begun.aside}", soft_wrap=True)
    out.print(f"student    {begun.student}" + ("" if name else f"  [dim](other name: lab start {what} --name NAME)[/]"))
    out.print(f"files      {begun.folder}: {', '.join(chosen.files)}", soft_wrap=True)
    out.print(f"text       {chosen.text.relative_to(home.root)}, README.es.md en español", soft_wrap=True)
    out.print(f"\n[bold]{chosen.question}[/]\n", soft_wrap=True)
    out.print(f"next: lab check {chosen.number} says where you are, lab hint {chosen.number} helps")


def hint(lab: Number) -> None:
    """Give the next hint of a lab, one at a time; after the last one, all of them.  Example: lab hint 05"""
    from labkit.course.manifest import read_course
    from labkit.course.results import note, result
    from labkit.course.workspace import started_folder, work_folder
    from labkit.home import find_home

    home = find_home()
    chosen, work = read_course(home).lab(lab), work_folder(home, os.environ)
    started_folder(chosen, work)
    shown = result(work, chosen).hints
    if shown == len(chosen.hints):
        print(f"these are all hints of lab {chosen.number}; next: lab solve {chosen.number} --anyway")
        for number, text in enumerate(chosen.hints, 1):
            print(f"{number}. {text}")
        return
    note(work, chosen, hints=shown + 1)
    print(f"hint {shown + 1} of {len(chosen.hints)}: {chosen.hints[shown]}")


def solve(
    lab: Number,
    anyway: Annotated[bool, typer.Option("--anyway", help="Before a pass, too; the results say so.")] = False,
) -> None:
    """Show a lab's solution once its checks have passed.  Example: lab solve 05"""
    from rich.console import Console
    from rich.syntax import Syntax

    from labkit.course.manifest import read_course
    from labkit.course.results import note, result
    from labkit.course.workspace import started_folder, work_folder
    from labkit.errors import CannotRun
    from labkit.home import find_home

    home = find_home()
    chosen, work = read_course(home).lab(lab), work_folder(home, os.environ)
    started_folder(chosen, work)
    known = result(work, chosen)
    if not (known.passed or anyway):
        raise CannotRun(
            f"lab {chosen.number} has not passed yet; next: lab hint {chosen.number}, "
            f"or lab solve {chosen.number} --anyway (your results will say so)"
        )
    note(work, chosen, solved=known.solved or ("after" if known.passed else "anyway"))
    out = Console(highlight=False)
    for file in chosen.files:
        path = chosen.solution / file
        out.rule(f"{path.relative_to(home.root)}")
        text = path.read_text(encoding="utf-8")
        out.print(Syntax(text, Syntax.guess_lexer(str(path), text)) if sys.stdout.isatty() else text, markup=False)


def progress(as_json: Json = False) -> None:
    """Show the course: what is done, what comes next.  Example: lab progress"""
    from dataclasses import asdict

    from rich.console import Console

    from labkit.course.manifest import read_course
    from labkit.course.results import results
    from labkit.course.student import read_student
    from labkit.course.tables import progress_table
    from labkit.course.workspace import work_folder
    from labkit.home import find_home

    home = find_home()
    course, work = read_course(home), work_folder(home, os.environ)
    known, student = results(work), read_student(work)
    if as_json:
        labs = {lab.number: asdict(known[lab.number]) if lab.number in known else None for lab in course.labs}
        print(json.dumps({"student": student.name, "labs": labs}, indent=2, ensure_ascii=False))
        return
    out = Console(highlight=False)
    out.print(f"student: {student.name}")
    out.print(progress_table(course, known))
    left = [lab for lab in course.labs if lab.number not in known or not known[lab.number].passed]
    out.print(f"next: lab start {left[0].number}" if left else "all labs are done; next: lab export")
