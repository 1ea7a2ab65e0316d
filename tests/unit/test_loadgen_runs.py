"""What surrounds a run: the mix of tasks, the counters, the command, progress."""

import json
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.loadgen.commands import check_target, seconds
from labkit.loadgen.counters import Scrape, parsed, settled
from labkit.loadgen.driver import child_environment, locust_command, new_folder
from labkit.loadgen.histograms import empty, encoded, record
from labkit.loadgen.plan import actions
from labkit.loadgen.progress import TimelineReader
from labkit.loadgen.scenario import Scenario
from labkit.urls import Urls


def task_a(user: Any) -> None: ...


def task_b(user: Any) -> None: ...


class Small:
    weight = 1
    tasks = (task_a,)


class Large:
    weight = 3
    tasks = (task_a, task_b, task_b)

    def rare(self) -> None: ...


def shares(mix: dict[str, float]) -> dict[tuple[str, str], float]:
    return {
        (action.user_class.__name__, action.task.__name__): action.weight for action in actions([Small, Large], mix)
    }


def test_without_a_mix_classes_and_tasks_count_by_their_own_weights() -> None:
    assert shares({}) == {("Large", "task_a"): 1, ("Large", "task_b"): 2, ("Small", "task_a"): 1}


def test_a_mix_gives_weights_to_classes_and_to_single_methods() -> None:
    assert shares({"Small": 5, "Large.rare": 2}) == {("Large", "rare"): 2, ("Small", "task_a"): 5}


def test_the_order_of_actions_does_not_depend_on_the_order_of_classes() -> None:
    assert actions([Small, Large], {}) == actions([Large, Small], {})


@pytest.mark.parametrize(("mix", "told"), [({"Smal": 1.0}, "Large, Small"), ({"Large.rar": 1.0}, "task_a, task_b")])
def test_an_unknown_name_in_a_mix_lists_the_known_ones(mix: dict[str, float], told: str) -> None:
    with pytest.raises(CannotRun, match=told):
        actions([Small, Large], mix)


def scraped(count: int, in_flight: int = 0, probes: int = 0) -> dict[str, Scrape]:
    text = (
        f'http_requests_total{{route="/predict",status="200"}} {count}\n'
        f'http_requests_total{{route="/readyz",status="200"}} {probes}\n'
        f"http_requests_in_flight {in_flight}\nsomething_else 5\n"
    )
    return {"one": Scrape(0, parsed(text))}


def test_counters_are_read_until_nothing_is_in_flight_and_two_readings_agree() -> None:
    readings = iter([scraped(5, 2), scraped(7, 1), scraped(8, 0, 1), scraped(9, 0, 2), scraped(9, 0, 3), scraped(99)])

    assert settled(lambda: next(readings), sleep=lambda _: None) == scraped(9, 0, 3)


def test_a_replica_that_cannot_be_read_is_kept_with_its_error() -> None:
    gone = {"one": Scrape(0, error="ConnectError: refused")}
    assert settled(lambda: gone, sleep=lambda _: None) == gone
    assert gone["one"].to_dict()["error"] == "ConnectError: refused"


def test_only_counters_of_the_contract_are_kept() -> None:
    assert {sample["name"] for sample in scraped(1)["one"].samples} == {
        "http_requests_total",
        "http_requests_in_flight",
    }


def test_settings_of_the_user_do_not_reach_the_run(tmp_path: Path) -> None:
    here, home = Urls("http://127.0.0.1:1", api_key_file="/a/key"), Home(tmp_path, tmp_path / "lab")
    mine = {"LOCUST_USERS": "7", "HOME": "/home/me", "PATH": "/bin", "LAB_HOME": "elsewhere"}
    environment = child_environment(tmp_path, here, home, mine)
    assert "LOCUST_USERS" not in environment
    assert environment["HOME"] == str(tmp_path)
    assert environment["PATH"] == "/bin"
    # It finds the same stack and the same keys as the process that drives it.
    assert (environment["LAB_HOME"], environment["LAB_API_KEY_FILE"]) == (str(tmp_path / "lab"), "/a/key")


def test_several_processes_get_a_port_of_their_own(tmp_path: Path) -> None:
    scenario = Scenario(description="d", duration=5, users=4, processes=2, name="x")
    command = locust_command(scenario, "http://127.0.0.1:1", tmp_path, tmp_path, 20.0)
    port = command[command.index("--master-port") + 1]
    assert command[command.index("--master-bind-port") + 1] == port != "5557"
    assert command[command.index("--rate") + 1] == "20.0"


def test_two_runs_within_a_second_get_two_folders(tmp_path: Path) -> None:
    folders = {new_folder(tmp_path, "smoke") for _ in range(3)}
    assert len(folders) == 3


def test_progress_adds_up_whole_lines_only(tmp_path: Path) -> None:
    timeline = tmp_path / "timeline.jsonl"
    reader = TimelineReader(timeline, 10)
    assert reader.read().sent == 0
    times = empty()
    record(times, [2_000] * 10)
    second = {"t": 1, "offered": 11, "sent": 10, "failed": 1, "service_time": encoded(times), "response_time": None}
    line = json.dumps(second) + "\n"
    timeline.write_text(line + line[:30])
    assert (reader.read().sent, reader.read().sent) == (10, 10)
    timeline.write_text(line + line)
    progress = reader.read()
    assert (progress.sent, progress.failed, progress.offered, progress.achieved) == (20, 2, 11, 10)
    assert progress.p99 == pytest.approx(0.002, rel=0.01)
    assert "failed 2" in progress.line()
    # At the end the exact timeline takes the place of the growing one: other bytes at the same offsets.
    exact = tmp_path / "timeline.jsonl.part"
    exact.write_text("\n" + line * 3)
    exact.replace(timeline)
    assert reader.read() == progress


@pytest.mark.parametrize(("text", "value"), [("45", 45), ("30s", 30), ("2m", 120), ("1h", 3600), ("0.5s", 0.5)])
def test_lengths_of_time_are_read(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "0s", "-3s", "soon", "nan", "infh"])
def test_a_wrong_length_of_time_is_told(text: str) -> None:
    with pytest.raises(CannotRun, match="--duration"):
        seconds(text)


def test_another_machine_is_loaded_only_when_named() -> None:
    check_target("http://127.0.0.1:18080", explicit=False)
    check_target("http://[::1]:18080", explicit=False)
    check_target("http://service.example:80", explicit=True)
    with pytest.raises(CannotRun, match="--url"):
        check_target("http://service.example:80", explicit=False)
