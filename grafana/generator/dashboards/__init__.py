"""The dashboards, one module each, in the order of a reader who goes from the whole to the details."""

from grafana.generator.board import Board
from grafana.generator.dashboards import edge, home, load, logs, models, pipeline, saturation, service, slo

BOARDS: tuple[Board, ...] = tuple(
    module.BOARD for module in (home, service, slo, load, saturation, models, pipeline, edge, logs)
)
