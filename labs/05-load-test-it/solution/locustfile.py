"""Visitors of the prediction service: some look at the page, most ask for a prediction."""

from locust import HttpUser, constant, task

FLOWER = [5.1, 3.5, 1.4, 0.2]  # a setosa, which is class 0


def result_of(answer):
    """Return the result of a prediction, None when the answer has none."""
    try:
        return answer.json()["result"]
    except (ValueError, KeyError, TypeError):  # no JSON; no "result"; no object
        return None


class Visitor(HttpUser):
    wait_time = constant(0.1)  # seconds that a visitor thinks, from an answer to the next request

    @task(1)
    def index(self):
        with self.client.get("/", catch_response=True) as answer:
            if answer.status_code != 200 or "Prediction service" not in answer.text:
                answer.failure("not the page")

    @task(3)
    def predict(self):
        with self.client.post("/predict", json={"data": [FLOWER]}, catch_response=True) as answer:
            if answer.status_code != 200 or result_of(answer) != [0]:
                answer.failure(f"not [0]: {(answer.text or '')[:80]}")
