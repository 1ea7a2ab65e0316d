"""What Jupyter needs to run a notebook in this project's environment and nobody else's."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say

NEEDED = ("jupyterlab", "nbclient", "ipykernel", "pandas")


def jupyter_environment(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a Jupyter server or kernel.

    Its own files lie in the state folder; a kernel of the same name that a user has elsewhere is not taken; and
    figures are left in the notebook as data, which JupyterLab draws without a network.
    """
    own = home.lab / "notebooks"
    (own / "runtime").mkdir(parents=True, exist_ok=True)
    return {
        **environ,
        "LAB_HOME": str(home.lab),
        "IPYTHONDIR": str(own / "ipython"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PLOTLY_RENDERER": "plotly_mimetype",
    }


def missing() -> list[str]:
    """Return what is not installed of what notebooks need."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def install(home: Home, say: Say) -> None:
    """Install the locked packages of the notebooks when some are missing. Raises CannotRun."""
    absent = missing()
    if not absent:
        return
    python, own = Path(sys.executable), home.root / ".venv" / "bin"
    if python.parent != own:
        raise CannotRun(
            f"{', '.join(absent)} missing in {python.parent.parent}; next: make setup, .venv/bin/lab notebook"
        )
    say(f"notebooks need {', '.join(absent)}: installing once")
    script = home.root / "requirements" / "install.sh"
    done = subprocess.run(["sh", str(script), str(python), "notebooks"], check=False)
    importlib.invalidate_caches()
    if done.returncode or missing():
        raise CannotRun("the packages of the notebooks could not be installed; next: read the lines above, try again")
