"""The audit of the fault tests is itself under suspicion: it must notice what it is there for."""

from typing import Any

import pytest

from tests.job_audit import Audit, Submission, compared


def submission(number: int, *, status: int = 202, **answer: Any) -> Submission:
    one = Submission(number, 0, "iris", [[1.0]], 0.0, status, f"job-{number}" if status == 202 else "")
    one.answer = {"status": "done", "version": "v1", "result": [number]} | answer
    return one


def queued(number: int) -> Submission:
    one = submission(number)
    one.answer = {"status": "queued"}
    return one


def judged(submissions: list[Submission], **more: Any) -> Audit:
    accepted = [one for one in submissions if one.accepted]
    facts: dict[str, Any] = {
        "expected": {one.number: [one.number] for one in accepted},
        "produced": {one.ident for one in accepted},
        "results": {one.ident: {"a"} for one in accepted},
        "moments": {one.ident: 10.0 + one.number for one in accepted},
    }
    return compared(submissions, **facts | more)


def test_a_faultless_run_passes() -> None:
    audit = judged([submission(0), submission(1), submission(2, status=503)])
    audit.require_nothing_lost()
    assert audit.refused_share == pytest.approx(1 / 3)
    assert audit.silence(since=9.0) == 1.0
    assert audit.silence(since=4.0) == 6.0


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (judged([submission(0, status=503)]), "nobody was accepted"),
        (judged([submission(0), queued(1)]), "one is still queued"),
        (judged([submission(0, result=[7])]), "a wrong answer"),
        (judged([submission(0)], produced=set()), "not in the topic"),
        (judged([submission(0)], results={"job-0": {"a", "b"}}), "two different answers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_audit_notices(found: Audit, what: str) -> None:
    with pytest.raises(AssertionError):
        found.require_nothing_lost()
