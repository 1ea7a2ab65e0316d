"""The text of a lab as steps: what a student types, and which files a student edits in between."""

import re
from dataclasses import dataclass
from pathlib import Path

MARK = re.compile(r"^<!-- (?P<word>edit|fails|manual)(?:: (?P<files>.+?))? -->$")
FENCE = re.compile(r"^```(?P<language>\w*)")


@dataclass(frozen=True)
class Commands:
    """A block marked ```sh; `fails` when the text says before it that its last command ends with a failure."""

    line: int
    script: str
    fails: bool = False


@dataclass(frozen=True)
class Edit:
    """A place at which the student edits files; the walk takes them from the solution."""

    line: int
    files: tuple[str, ...]


def steps(text: str) -> list[Commands | Edit]:
    """Read a lab's README: blocks of sh, and the marks `<!-- edit: FILE, FILE -->` and `<!-- fails -->`.

    A block after `<!-- manual -->` is for people alone (it opens a browser, or waits for one).
    """
    found: list[Commands | Edit] = []
    mark, block, language, begun = "", [], None, 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if language is None and (matched := MARK.match(line)):
            if matched["word"] == "edit":
                found.append(Edit(number, tuple(re.split(r",\s*", matched["files"]))))
            else:
                mark = matched["word"]
        elif language is None and fence:
            language, begun, block = fence["language"], number, []
        elif language is not None and fence:
            if language == "sh" and mark != "manual":
                found.append(Commands(begun, "\n".join(block), mark == "fails"))
            language, mark = None, ""
        elif language is not None:
            block.append(line)
    return found


def script(walk: list[Commands | Edit], solution: Path, folder: str) -> str:
    """Return one shell script of all steps; it says `@@ LINE` before each and ends at the first that goes wrong.

    A block that is said to fail and does not ends the walk with code 99.
    """
    lines = ["set -e"]
    for step in walk:
        lines.append(f"echo '@@ {step.line}'")
        if isinstance(step, Edit):
            lines += [
                f"mkdir -p $(dirname {folder}/{file}); cp {solution}/{file} {folder}/{file}" for file in step.files
            ]
        elif step.fails:
            lines += ["set +e", step.script, "code=$?", "set -e", "[ $code -ne 0 ] || exit 99"]
        else:
            lines.append(step.script)
    return "\n".join(lines) + "\n"


def marks(text: str) -> list[str]:
    """Return the marks of a text in their order."""
    return [line for line in text.splitlines() if MARK.match(line)]


def sections(text: str) -> dict[str, str]:
    """Return the parts of a text under their `## ` titles, in their order; what fences hold is no title."""
    found: dict[str, list[str]] = {}
    title, fenced = None, False
    for line in text.splitlines(keepends=True):
        fenced ^= bool(FENCE.match(line))
        if not fenced and line.startswith("## "):
            title = line[3:].strip()
            found[title] = []
        elif title is not None:
            found[title].append(line)
    return {name: "".join(lines) for name, lines in found.items()}


def prose(text: str) -> str:
    """Return a text without what its fences hold."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
