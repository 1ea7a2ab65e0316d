"""Clients that speak the Open Inference Protocol (V2), as those of KServe, Triton and MLServer do."""

from locust import task

from labkit.loadgen import exchanges
from labkit.loadgen.users import LabUser


class InferenceProtocolUser(LabUser):
    weight = 1

    @task(1)
    def live(self) -> None:
        self.send(exchanges.server_live())

    @task(1)
    def ready(self) -> None:
        self.send(exchanges.server_ready())

    @task(1)
    def server(self) -> None:
        self.send(exchanges.server_facts())

    @task(1)
    def model_ready(self) -> None:
        self.send(exchanges.model_ready("iris"))

    @task(1)
    def metadata(self) -> None:
        self.send(exchanges.model_metadata("sentiment"))

    @task(4)
    def infer_iris(self) -> None:
        self.send(exchanges.infer("iris", self.draw()))

    @task(2)
    def infer_digits(self) -> None:
        self.send(exchanges.infer("digits", self.draw()))

    @task(2)
    def infer_sentiment(self) -> None:
        self.send(exchanges.infer("sentiment", self.draw()))
