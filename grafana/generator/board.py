"""A dashboard out of rows of panels: where each stands, its number, its links and the load runs on its time line."""

from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import bargauge, gauge, heatmap, logs, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from grafana.generator.panels import PROMETHEUS

TAG: Final = "lab"  # dashboards with this tag link to each other
RUN: Final = "load"  # the tag that `lab load` gives to its annotations in Grafana (labkit/loadgen/run_marks.py)


Panel = timeseries.Panel | stat.Panel | gauge.Panel | bargauge.Panel | heatmap.Panel | table.Panel | logs.Panel


class Row(NamedTuple):
    """Panels under one heading, left to right; 24 columns make a line."""

    title: str
    panels: tuple[Panel, ...]


class Choice(NamedTuple):
    """What a reader may choose: the values that a label has had; all, unless one is chosen."""

    name: str
    label: str
    query: str


class Text(NamedTuple):
    """What a reader may write into the dashboard's queries."""

    name: str
    label: str
    start: str


class Board(NamedTuple):
    """One dashboard; its file is named by the uid."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    choices: tuple[Choice | Text, ...] = ()
    shows: str = "30m"


def row(title: str, *panels: Panel) -> Row:
    """Return a row of these panels."""
    return Row(title, panels)


def build(board: Board) -> model.Dashboard:
    """Return the classic dashboard: row r has the id 100 r, its panels 100 r + 1, 100 r + 2 and so on."""
    made = sdk.Dashboard(board.title).uid(board.uid).description(board.about).tags([TAG]).readonly()
    made.time(f"now-{board.shows}", "now").refresh("5s").timezone("browser")
    made.tooltip(model.DashboardCursorSync.CROSSHAIR)
    made.timepicker(sdk.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m"]))
    made.link(
        sdk.DashboardLink("Dashboards").type(model.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True).icon("")
    )
    made.annotation(_runs())
    made.variables([_choice(choice) if isinstance(choice, Choice) else _text(choice) for choice in board.choices])
    for number, heading in enumerate(board.rows, 1):
        made.with_row(sdk.Row(heading.title).id(100 * number).collapsed(False))
        for place, panel in enumerate(heading.panels, 1):
            made.with_panel(panel.id(100 * number + place))
    return made.build()


def _runs() -> Builder[model.AnnotationQuery]:
    tagged = sdk.AnnotationTarget().limit(100).match_any(False).tags([RUN]).type("tags")
    grafana = model.DataSourceRef(type_val="grafana", uid="-- Grafana --")
    return sdk.AnnotationQuery().name("Load runs").datasource(grafana).enable(True).icon_color("blue").target(tagged)


def _choice(choice: Choice) -> Builder[model.VariableModel]:
    everything = model.VariableOption(selected=True, text="All", value="$__all")
    variable = sdk.QueryVariable(choice.name).label(choice.label).query(choice.query).datasource(PROMETHEUS)
    variable.include_all(True).all_value(".*").multi(True).current(everything)
    return variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _text(text: Text) -> Builder[model.VariableModel]:
    start = model.VariableOption(selected=True, text=text.start, value=text.start)
    return sdk.TextBoxVariable(text.name).label(text.label).default_value(text.start).current(start).options([start])
