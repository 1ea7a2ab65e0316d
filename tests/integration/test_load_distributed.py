"""Several processes are one run: nothing counted twice, nothing lost, the same requests for the same seed."""

import subprocess
import sys
from pathlib import Path

from labkit.loadgen import drive
from labkit.loadgen.driver import free_port
from tests.integration.load_runs import (
    ROOT,
    Counts,
    all_times,
    count_in,
    home_in,
    plain_environment,
    read_json,
    scenario_in,
    sent_by_status,
    served_by_status,
    service,
    timeline,
)

MIXED = 'duration = 4\nusers = 20\nseed = 7\n[shape]\nkind = "ramp"\nfirst = 20\nlast = 130\n'
REQUESTS = 300


def check_consistent(run: Path) -> Counts:
    """Assert that all files of a run tell the same story, and return what was sent by status."""
    entries = read_json(run / "requests.json")["entries"]
    sent = sum(entry["sent"] for entry in entries)
    for entry in entries:
        assert entry["failed"] == 0, entry["errors"]
        assert sum(entry["statuses"].values()) == entry["sent"]
        assert count_in(entry["service_time"]) == count_in(entry["response_time"]) == entry["sent"]
    seconds = timeline(run)
    for name in ("offered", "sent", "done"):
        assert sum(second[name] for second in seconds) == sent, name
    assert sum(count_in(second["response_time"]) for second in seconds) == sent
    assert all_times(run, "response_time").get_total_count() == sent
    assert [second["t"] for second in seconds] == list(range(seconds[0]["t"], seconds[0]["t"] + len(seconds)))
    facts = read_json(run / "generator.json")
    assert facts["intended"] == facts["sent"] == sent
    return sent_by_status(run)


def test_two_processes_send_exactly_what_one_would_and_the_service_counts_the_same(tmp_path: Path) -> None:
    by_processes = []
    for processes in (1, 2):
        with service(tmp_path / f"service-{processes}") as urls:
            run = drive(
                scenario_in(tmp_path, MIXED),
                urls,
                home=home_in(tmp_path),
                processes=processes,
                on_progress=lambda _: None,
            )
        sent = check_consistent(run)
        assert sum(sent.values()) == REQUESTS
        assert sent == served_by_status(run)
        assert read_json(run / "generator.json")["processes"] == processes
        assert read_json(run / "run.json")["processes"] == processes
        by_processes.append(sent)
    assert by_processes[0] == by_processes[1]
    assert {status for _, _, status in by_processes[0]} == {"200", "400", "422"}


def test_workers_started_by_hand_get_the_schedule_from_their_master(tmp_path: Path) -> None:
    """`--master` has the flags, `--worker` processes need none."""
    port = str(free_port())
    run = tmp_path / "run"
    run.mkdir()
    base = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests")]
    leader = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--expect-workers", "2"]
    flags = ["--headless", "--only-summary", "--schedule", str(scenario_in(tmp_path, MIXED)), "--run-dir", str(run)]
    joining = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
    environment = plain_environment()
    with service(tmp_path / "service") as urls:
        workers = [
            subprocess.Popen([*base, *joining], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        try:
            subprocess.run(
                [*base, *leader, *flags, "--host", urls.service],
                cwd=ROOT,
                env=environment,
                check=True,
                capture_output=True,
                timeout=60,
            )
            assert [worker.wait(20) for worker in workers] == [0, 0]
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    assert sum(check_consistent(run).values()) == REQUESTS


def test_a_closed_run_in_two_processes_loses_no_request_at_its_end(tmp_path: Path) -> None:
    """Locust kills users where they stand; those under way are waited for first."""
    with service(tmp_path / "service") as urls:
        run = drive(
            "closed", urls, home=home_in(tmp_path), processes=2, duration=4, users=30, on_progress=lambda _: None
        )
    sent = sent_by_status(run)
    assert sum(sent.values()) > 50
    assert sent == served_by_status(run)
    facts = read_json(run / "run.json")
    assert (facts["mode"], facts["interrupted"]) == ("closed", False)
