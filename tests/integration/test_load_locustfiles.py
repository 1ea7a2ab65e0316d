"""`locust -f loadtests/` is plain locust: whole folder or one file, with or without our flags."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from labkit.loadgen.driver import free_port
from tests.eventually import eventually
from tests.integration.load_runs import ROOT, plain_environment, read_json, service
from tests.integration.load_service import KEY

USERS = {"FeedbackUser", "InferenceProtocolUser", "JobUser", "PageUser", "PredictUser"}


def locust(*flags: str, cwd: Path = ROOT, **more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "locust", *flags]
    return subprocess.run(
        command, cwd=cwd, env=plain_environment(**more), capture_output=True, text=True, timeout=60, check=False
    )


def listed(path: Path) -> set[str]:
    result = locust("-f", str(path), "--list")
    assert result.returncode == 0, result.stderr
    assert "Uncaught exception" not in result.stderr
    return {line.strip() for line in result.stdout.splitlines()[1:]}


def test_the_folder_has_exactly_our_users() -> None:
    assert listed(ROOT / "loadtests") == USERS


def test_each_file_works_alone() -> None:
    found = [listed(path) for path in sorted((ROOT / "loadtests").rglob("*.py"))]
    assert sorted(name for names in found for name in names) == sorted(USERS)


def test_no_shape_class_is_in_the_folder() -> None:
    """Locust would take the first one that it finds, silently, for every run of the folder."""
    program = (
        "import sys\n"
        "from locust.main import merge_locustfiles_content\n"
        "print(merge_locustfiles_content(sys.argv[1:])[1])\n"
    )
    files = [str(path) for path in sorted((ROOT / "loadtests").rglob("*.py"))]
    result = subprocess.run(
        [sys.executable, "-c", program, *files], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "{}"


def test_plain_headless_locust_needs_none_of_our_flags(tmp_path: Path) -> None:
    with service(tmp_path / "service") as urls:
        flags = (
            "-f",
            str(ROOT / "loadtests"),
            "--host",
            urls.service,
            "--headless",
            "-u",
            "24",
            "-r",
            "24",
            "-t",
            "3s",
        )
        result = locust(*flags, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "num_requests" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"service"}
    # Nobody gave a key: each class says it once, and not one request fails for it.
    assert [result.stderr.count(f"{name} stays out: no API key") for name in ("JobUser", "FeedbackUser")] == [1, 1]
    assert all(entry["num_failures"] == 0 for entry in json.loads(result.stdout))


def test_plain_locust_with_a_key_hands_in_jobs_and_shows_them_in_its_table(tmp_path: Path) -> None:
    users = str(ROOT / "loadtests" / "job_user.py")
    flags = ("-f", users, "--headless", "-u", "6", "-r", "6", "-t", "10s", "--json")
    with service(tmp_path / "service") as urls:
        result = locust(*flags, "--host", urls.service, cwd=tmp_path, LAB_API_KEY=KEY)
    assert result.returncode == 0, result.stderr
    table = {(entry["method"], entry["name"]): entry for entry in json.loads(result.stdout)}
    assert {("JOB", "job"), ("POST", "/jobs"), ("GET", "/jobs/{id}"), ("POST", "/feedback")} <= set(table)
    assert all(entry["num_failures"] == 0 for entry in table.values())


def test_the_web_page_starts_our_users(tmp_path: Path) -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests"), "--web-host", "127.0.0.1"]
    with service(tmp_path / "service") as urls, httpx.Client(base_url=page, trust_env=False) as client:
        process = subprocess.Popen(
            [*command, "--web-port", str(port), "--host", urls.service],
            cwd=ROOT,
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: client.get("/").status_code == 200, within=30, what="locust's web page")
            client.post("/swarm", data={"user_count": 5, "spawn_rate": 5}).raise_for_status()
            eventually(lambda: client.get("/stats/requests").json()["total_rps"] > 0, within=30, what="requests")
            assert client.get("/stats/requests").json()["fail_ratio"] == 0
        finally:
            process.terminate()
            process.wait(20)


def test_a_schedule_from_flags_alone_sends_what_it_says(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with service(tmp_path / "service") as urls:
        result = locust(
            *("-f", str(ROOT / "loadtests" / "page_user.py"), "--host", urls.service, "--headless", "--only-summary"),
            *("--rate", "40", "--shape", "ramp", "-t", "3s", "--seed", "5", "--run-dir", str(run)),
        )
    assert result.returncode == 0, result.stderr
    facts = read_json(run / "generator.json")
    assert (facts["intended"], facts["sent"], facts["interrupted"]) == (60, 60, False)
    assert {entry["name"] for entry in read_json(run / "requests.json")["entries"]} == {
        "/",
        "/models",
        "/models/{model}",
    }


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--rate", "50"), "without -t"),
        (("--shape", "ramp", "-t", "3s"), "without --rate"),
        (("--rate", "-5", "-t", "3s"), "-5"),
        (("--schedule", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_flags_that_cannot_be_run_are_told_in_one_line(flags: tuple[str, ...], told: str) -> None:
    result = locust("-f", str(ROOT / "loadtests"), "--host", "http://127.0.0.1:9", "--headless", *flags)
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if "INFO" not in line]
    assert told in line


def test_a_user_class_that_cannot_be_scheduled_is_named(tmp_path: Path) -> None:
    locustfile = tmp_path / "other_user.py"
    locustfile.write_text(
        "from locust import HttpUser, task\n"
        "import labkit.loadgen.users\n"
        "class OtherUser(HttpUser):\n"
        "    @task\n"
        "    def page(self):\n"
        "        self.client.get('/')\n"
    )
    flags = ("-f", str(locustfile), "--host", "http://127.0.0.1:9", "--headless", "--rate", "5", "-t", "3s")
    result = locust(*flags)
    assert result.returncode == 2
    assert "user class OtherUser" in result.stderr
