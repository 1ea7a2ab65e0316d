"""Users of the asynchronous half: those who hand in jobs, and those who say what a prediction should have been."""

from locust import task

from labkit.loadgen import job_exchanges
from labkit.loadgen.bodies import MODELS, labelled_sentence, other_label
from labkit.loadgen.jobs import JobsUser, KeyedUser

WRONG_ONE_IN = 10


class JobUser(JobsUser):
    weight = 1

    @task(4)
    def sentiment(self) -> None:
        self.hand_in("sentiment")

    @task(2)
    def iris(self) -> None:
        self.hand_in("iris")

    @task(1)
    def diabetes(self) -> None:
        self.hand_in("diabetes")

    @task(1)
    def digits(self) -> None:
        self.hand_in("digits")


class FeedbackUser(KeyedUser):
    """Mostly right: one label in ten is another than the true one."""

    weight = 1

    @task(2)
    def about_a_text(self) -> None:
        draw = self.draw()
        text, label = labelled_sentence(draw)
        said = self._said("sentiment", label, draw)
        self.send_keyed(job_exchanges.feedback({"model": "sentiment", "data": [text], "label": said}))

    @task(1)
    def about_a_sentiment(self) -> None:
        self._about_own_prediction("sentiment")

    @task(1)
    def about_a_flower(self) -> None:
        self._about_own_prediction("iris")

    def _about_own_prediction(self, model_name: str) -> None:
        draw = self.draw()
        sent = self.send(job_exchanges.predict_one(model_name, draw))
        if sent.answer is None or sent.problem is not None:
            return
        (predicted,) = sent.document["result"]
        facts = {"request_id": sent.request_id, "label": self._said(model_name, predicted, draw)}
        self.send_keyed(job_exchanges.feedback(facts))

    @staticmethod
    def _said(model_name: str, label: int | str, draw: int) -> int | str:
        return other_label(MODELS[model_name], label, draw) if draw % WRONG_ONE_IN == 0 else label
