"""The commands of a model's life, with a real replica that follows."""

import json
import os
import random
import shutil
import signal
import subprocess

import pytest

from tests.integration.model_lab import LAB, traffic
from tests.integration.test_model_digest import change_one_byte
from tests.integration.test_retrain import GOOD
from tests.samples.trained_versions import give
from tests.service import ROOT, environment, running_service


def test_the_lab_refuses_a_damaged_version_and_leaves_the_routes_alone(lab, replica):
    assert lab.lab("canary", "sentiment", "v2").returncode == 0
    before = lab.routes.read_bytes()
    change_one_byte(lab.data / "models" / "sentiment" / "v2" / "model.json", seed=random.randrange(1000))
    refused = lab.lab("promote", "sentiment", "v2")
    assert refused.returncode == 2
    assert refused.stderr.startswith("lab: sentiment/v2/model.json: not the file that manifest.json promises")
    assert lab.routes.read_bytes() == before


def test_who_does_not_follow_is_named(lab, replica, tmp_path):
    """A second replica is there that looks at no routes; a third one is stopped on purpose and not asked."""
    with running_service(tmp_path, models_dir=lab.settings["models_dir"]) as deaf:
        lab.record(**{"api-1": (replica.port, "ready"), "api-2": (deaf.port, "ready"), "worker-1": (9, "held")})
        done = lab.lab("promote", "sentiment", "v2", "--json", "--within", "3")
    assert done.returncode == 1, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert (facts["following"], facts["not_following"]) == (1, ["api-2"])
    assert replica.get("/models/sentiment").json()["version"] == "v2"


def test_the_versions_are_listed_with_what_is_known_of_them(lab, replica):
    assert lab.lab("canary", "sentiment", "v2", "--weight", "12.5").returncode == 0
    found = {(one["model"], one["version"]): one for one in json.loads(lab.lab("models", "--json").stdout)}
    assert found["sentiment", "v2"]["traffic"] == {"api-1": 0.125}
    assert (found["sentiment", "v2"]["origin"], found["sentiment", "v2"]["role"]) == ("retrained", "canary")
    assert (found["sentiment", "v1"]["origin"], found["sentiment", "v1"]["role"]) == ("project", "stable")
    assert found["sentiment", "v1"]["held_out"]["accuracy"] == pytest.approx(0.8667, abs=1e-4)
    text = lab.lab("models").stdout
    assert "12.5 %" in text
    assert "87.5 %" in text


def test_a_schedule_retrains_as_often_as_asked_and_starts_a_canary(lab, replica):
    shutil.rmtree(lab.data / "models")
    (lab.data / "feedback").mkdir()
    give(lab.data / "feedback", GOOD)
    done = lab.lab("schedule", "retrain", "sentiment", "--every", "1s", "--times", "2", "--canary", "20", "--json")
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert (first["registered"], first["canary"]["weight"], first["canary"]["not_following"]) == ("v2", 20, [])
    assert (second["registered"], second["candidate"]) == (None, None)
    assert traffic(replica) == {"v1": 0.8, "v2": 0.2}


def test_a_schedule_ends_with_ctrl_c_and_exit_code_0(lab):
    process = subprocess.Popen(
        [str(LAB), "schedule", "retrain", "sentiment", "--every", "1h"],
        cwd=ROOT,
        env=environment(home=lab.state),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert "nothing registered: no new usable feedback" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("canary sentiment v9", "no version 'v9' of sentiment; there are: v1, v2"),
        ("canary oak v2", "no model 'oak'; there are: diabetes, digits, forest, iris, sentiment"),
        ("canary sentiment v2 --weight 101", "weight 101: it is in percent, 0 to 100"),
        ("canary sentiment v2 --weight many", "weight many: it is in percent, 0 to 100"),
        ("canary sentiment v1", "v1 is the stable version; a canary is another one"),
        ("promote sentiment v9", "no version 'v9' of sentiment; there are: v1, v2"),
        ("rollback sentiment", "nothing to roll back: v1 answers, and none before it is known"),
        ("schedule retrain sentiment --every soon", "--every soon: write a length of time such as 30s, 2m or 1h"),
        ("schedule retrain oak", "no model 'oak'"),
    ],
)
def test_a_wrong_command_is_told_what_there_is_and_changes_nothing(lab, command, said):
    refused = lab.lab(*command.split())
    assert refused.returncode == 2, refused.stdout
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not lab.routes.exists()


def test_without_a_stack_a_step_is_written_down_for_the_next_start(lab):
    done = lab.lab("canary", "forest", "v2", "--weight", "5")
    assert done.returncode == 0, done.stderr
    assert "from the next lab up on" in done.stdout
    assert json.loads(lab.routes.read_bytes())["forest"]["canary"] == "v2"
