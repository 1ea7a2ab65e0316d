"""What our packages load when they are used, seen from outside: the linter reads what is written, this is what runs."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINING = {"jax", "optax", "skl2onnx", "onnx"}
TESTING = {"pytest", "hypothesis", "schemathesis", "fakeredis"}
LAB = {"labkit", "locust", "gevent", "plotly", "typer", "rich", "psutil", "hdrh"}
_LOAD = """
import importlib, json, sys
for one in sys.argv[1:]:
    importlib.import_module(one)
print(json.dumps(list(sys.modules)))
"""


def loaded(*modules: str) -> set[str]:
    """Return the top-level packages in a new interpreter after importing `modules`."""
    run = subprocess.run(
        [sys.executable, "-c", _LOAD, *modules], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return {name.split(".")[0] for name in json.loads(run.stdout)}


def core_modules() -> list[str]:
    return [f"app.core.{path.stem}" for path in (ROOT / "app" / "core").glob("*.py") if path.stem != "__init__"]


def test_core_loads_the_standard_library_numpy_and_msgspec_only():
    allowed = loaded("numpy.typing", "msgspec", "json") | {"app", *sys.stdlib_module_names}
    assert loaded(*core_modules()) - allowed == set()


def test_the_service_loads_no_library_of_training_tests_or_lab():
    found = loaded("app.api.__main__", "app.adapters.model_files")
    assert {"fastapi", "onnxruntime", "redis"} <= found  # the control: the probe sees what is loaded
    assert found & (TRAINING | TESTING | LAB) == set()


def test_scikit_learn_is_not_loaded_before_a_model_needs_it():
    assert loaded("app.api.__main__") & {"sklearn", "scipy", "pandas"} == set()
