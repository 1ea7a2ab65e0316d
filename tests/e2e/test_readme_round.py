"""The first round of the README, run as it is printed."""

import re
import subprocess

from tests.integration.stack_folder import LAB, ROOT, StackFolder


def test_the_first_round_of_the_readme_runs_as_printed(tmp_path):
    stack = StackFolder(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"A first round:\n\n```\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    script = block[1].replace(". .venv/bin/activate\n", "").replace("18080", str(stack.base + 80))
    path = f"{LAB.parent}:{stack.environment()['PATH']}"
    try:
        done = subprocess.run(
            ["bash", "-u"],
            input=script,
            env=stack.environment(PATH=path),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        stack.lab("down")
    assert '{"result":[0,2]}' in done.stdout, done.stdout + done.stderr
    assert re.search(r"sent (\d+) = counted \1 = logged \1 \(difference 0\)", done.stdout), done.stdout
    assert re.search(r"jobs accepted (\d+) = produced \1 = consumed \1 = logged \1 = answered \1\b", done.stdout), (
        done.stdout
    )
    assert stack.listening() == []
