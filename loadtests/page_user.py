"""Users who look at the page and read about the models."""

from locust import task

from labkit.loadgen import exchanges
from labkit.loadgen.users import LabUser


class PageUser(LabUser):
    weight = 1

    @task(2)
    def page(self) -> None:
        self.send(exchanges.page())

    @task(1)
    def models(self) -> None:
        self.send(exchanges.model_list())

    @task(2)
    def model(self) -> None:
        self.send(exchanges.model_facts(self.draw()))
