"""Users who ask for predictions: all models, now and then a body that must be refused."""

from locust import task

from labkit.loadgen import exchanges
from labkit.loadgen.users import LabUser


class PredictUser(LabUser):
    weight = 8

    @task(4)
    def default_model(self) -> None:
        self.send(exchanges.predict_default(self.draw()))

    @task(3)
    def iris(self) -> None:
        self.send(exchanges.predict("iris", self.draw()))

    @task(3)
    def diabetes(self) -> None:
        self.send(exchanges.predict("diabetes", self.draw()))

    @task(3)
    def sentiment(self) -> None:
        self.send(exchanges.predict("sentiment", self.draw()))

    @task(2)
    def digits(self) -> None:
        self.send(exchanges.predict("digits", self.draw()))

    @task(2)
    def forest(self) -> None:
        self.send(exchanges.predict("forest", self.draw()))

    @task(1)
    def invalid(self) -> None:
        self.send(exchanges.predict_invalid(self.draw()))

    # Not in the usual mix; a scenario asks for it: mix = { "PredictUser.forest_bulk" = 1 }
    def forest_bulk(self) -> None:
        self.send(exchanges.predict("forest", self.draw(), rows=32))
