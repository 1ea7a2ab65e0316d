"""`lab export` for a student, `lab class FOLDER` for a teacher."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(export)
    app.command("class")(class_)


def export(
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to put it; else into work/.")] = None,
    as_json: Json = False,
) -> None:
    """Write your results as one signed file, to hand in.  Example: lab export

    It holds your name, what the checks found, hints and tries, and digests of your files; not the files themselves.
    """
    from labkit.course.export import collected, signed, signing_key, write_results
    from labkit.course.manifest import read_course
    from labkit.course.student import read_student
    from labkit.course.workspace import work_folder
    from labkit.home import find_home
    from labkit.stack.ports import port_base

    home = find_home()
    course, work = read_course(home), work_folder(home, os.environ)
    student = read_student(work)
    found = collected(course, work, student, port_base(os.environ))
    path = write_results(signed(found, signing_key(work)), to or work)
    done = sorted(number for number, lab in found.labs.items() if lab.passed)
    if as_json:
        print(json.dumps({"file": str(path), "student": student.name, "passed": done}, indent=2, ensure_ascii=False))
    else:
        print(f"{student.name}: {len(done)} of {len(course.labs)} labs passed ({', '.join(done) or 'none'})")
        print(f"written: {path}; next: hand in this file")


def class_(
    folder: Annotated[Path, typer.Argument(help="Where the files of `lab export` are; folders in it, too.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line for each student, for a spreadsheet.")] = False,
    as_json: Json = False,
) -> None:
    """Sum up the results of a class, and say what asks for a second look.  Example: lab class handed-in/

    Looked at: signature, numbers, one key under two names, equal files where the numbers differ, other checks.
    Exit code: 0 nothing to look at, 1 something is, 2 there is no file.
    """
    import sys

    from rich.console import Console

    from labkit.course.class_results import read_class
    from labkit.course.class_tables import class_facts, class_lines, class_table, flag_lines
    from labkit.course.manifest import read_course
    from labkit.home import find_home

    course = read_course(find_home())
    found = read_class(folder, course)
    flags = flag_lines(found)
    if as_json:
        print(json.dumps(class_facts(found), indent=2, ensure_ascii=False))
    elif as_csv:
        print(class_lines(found, course), end="")
        print("".join(f"{line}\n" for line in flags), end="", file=sys.stderr)
    else:
        out = Console(highlight=False)
        out.print(class_table(found, course))
        for line in flags:
            out.print(line, markup=False, soft_wrap=True)
        if flags:
            out.print("next: look at these with the student; docs/decisions/0087 says what they prove", soft_wrap=True)
    raise typer.Exit(1 if flags else 0)
