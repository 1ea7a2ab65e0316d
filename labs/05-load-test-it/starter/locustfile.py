"""Visitors of the prediction service: some look at the page, most ask for a prediction."""

from locust import HttpUser, constant, task

FLOWER = [5.1, 3.5, 1.4, 0.2]  # a setosa, which is class 0


class Visitor(HttpUser):
    wait_time = constant(0.1)  # seconds that a visitor thinks, from an answer to the next request

    # TODO 1: weights. For each look at the page there shall be three predictions: @task(WEIGHT).
    @task
    def index(self):
        # TODO 2: ask for the page: GET /. A status of 200 is not enough: it is the right page only if
        # its text has the words "Prediction service". Anything else is a failure, whatever its status.
        pass

    @task
    def predict(self):
        # TODO 3: ask for the class of FLOWER: POST /predict with the JSON {"data": [FLOWER]}.
        # The right answer is {"result": [0]}. Anything else is a failure: another number, an empty list, a text
        # that is no JSON at all.
        #
        # with self.client.post(..., catch_response=True) as answer:
        #     if ...:
        #         answer.failure("what was wrong")
        pass
