"""The few kinds of panel that our dashboards are made of, with one look; built by Grafana's own SDK."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, gauge, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders import common as look
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
GOOD, WARNING, BAD = "green", "orange", "red"


Panel = TypeVar("Panel", timeseries.Panel, stat.Panel, gauge.Panel, bargauge.Panel, heatmap.Panel, table.Panel)


class Query(NamedTuple):
    """One expression and what its series are called in the legend."""

    expr: str
    legend: str


# A value from which on a colour holds; the first step has no value and holds below all others.
Steps = Sequence[tuple[float | None, str]]
NO_JUDGEMENT: Final[Steps] = ((None, "blue"),)


def bad_from(bad: float, warning: float | None = None) -> Steps:
    """Colour what is bad when it is high."""
    middle = [] if warning is None else [(warning, WARNING)]
    return [(None, GOOD), *middle, (bad, BAD)]


def bad_below(good: float, warning: float) -> Steps:
    """Colour what is bad when it is low: good from `good` on, a warning from `warning` on."""
    return [(None, BAD), (warning, WARNING), (good, GOOD)]


def graph(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    stacked: bool = False,
    steps: Steps = (),
    least: float | None = 0,
    most: float | None = None,
) -> timeseries.Panel:
    """Lines over time; `stacked` where the sum means something; `steps` are drawn as dashed lines."""
    panel = timeseries.Panel().unit(unit).line_width(1).show_points(common.VisibilityMode.NEVER)
    panel.fill_opacity(40 if stacked else 8).height(8).span(width)
    if stacked:
        panel.stacking(look.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    if steps:
        panel.thresholds(_steps(steps))
        panel.thresholds_style(look.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    panel.legend(
        look.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["mean", "max", "lastNotNull"])
    )
    panel.tooltip(look.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    return _asked(panel, title, about, queries)


def fact(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 4,
    height: int = 4,
    steps: Steps = NO_JUDGEMENT,
    decimals: int | None = None,
    opens: str = "",
) -> stat.Panel:
    """One large figure with its recent past behind it; `opens` is the dashboard that tells more."""
    panel = stat.Panel().unit(unit).thresholds(_steps(steps)).height(height).span(width)
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    panel.color_mode(common.BigValueColorMode.VALUE).graph_mode(common.BigValueGraphMode.AREA)
    panel.text_mode(common.BigValueTextMode.AUTO).reduce_options(_last())
    if decimals is not None:
        panel.decimals(decimals)
    if opens:
        link = DashboardLink(f"Open {opens}").type(DashboardLinkType.LINK).url(f"/d/{opens}?${{__url_time_range}}")
        panel.links([link])
    return _asked(panel, title, about, queries)


def dial(
    title: str, about: str, unit: str, *queries: Query, steps: Steps, least: float = 0, most: float = 1, width: int = 4
) -> gauge.Panel:
    """A figure between two ends."""
    panel = gauge.Panel().unit(unit).min(least).max(most).thresholds(_steps(steps)).height(8).span(width)
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS)).reduce_options(_last())
    return _asked(panel, title, about, queries)


def bars(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    upright: bool = False,
    steps: Steps = NO_JUDGEMENT,
    colours: dict[str, str] | None = None,
) -> bargauge.Panel:
    """One bar for each series, as of now; `colours` by legend."""
    panel = bargauge.Panel().unit(unit).min(0).thresholds(_steps(steps)).height(8).span(width)
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS)).reduce_options(_last())
    panel.display_mode(common.BarGaugeDisplayMode.BASIC)
    panel.orientation(common.VizOrientation.VERTICAL if upright else common.VizOrientation.HORIZONTAL)
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])
    return _asked(panel, title, about, queries, instant=True)


def heat(title: str, about: str, unit: str, query: Query, width: int = 8) -> heatmap.Panel:
    """A histogram over time; the query gives cumulative buckets by `le`, as Prometheus has them."""
    panel = heatmap.Panel().calculate(False).height(8).span(width).cell_gap(1).show_legend().unit("short")
    panel.y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(common.AxisPlacement.LEFT))
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges")
    panel.color(colours.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5))
    return _asked(panel, title, about, [query], form=PromQueryFormat.HEATMAP)


class Column(NamedTuple):
    """One column of a table: its heading, what is asked, unit, and from where on it is coloured."""

    heading: str
    expr: str
    unit: str
    steps: Steps = ()


def listing(title: str, about: str, by: str, *columns: Column, width: int = 24, height: int = 8) -> table.Panel:
    """A row for each value of the labels `by`, as of now; a column for each question."""
    panel = table.Panel().height(height).span(width).unit("short")
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "renameByName": {f"Value #{_ref(n)}": column.heading for n, column in enumerate(columns)},
            },
        )
    )
    for column in columns:
        looks = [DynamicConfigValue("unit", column.unit)]
        if column.steps:
            looks += [
                DynamicConfigValue("color", {"mode": "thresholds"}),
                DynamicConfigValue("thresholds", _steps(column.steps).build()),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        panel.override_by_name(column.heading, looks)
    names = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    queries = [Query(column.expr, f"{names}: {column.heading}") for column in columns]
    return _asked(panel, title, about, queries, instant=True, form=PromQueryFormat.TABLE)


def _asked(
    panel: Panel,
    title: str,
    about: str,
    queries: Sequence[Query],
    *,
    instant: bool = False,
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> Panel:
    """Give the panel its words and its questions; each question asks for one moment or for a stretch of time."""
    panel.title(title).description(about).datasource(PROMETHEUS)
    for n, query in enumerate(queries):
        target = Dataquery().expr(query.expr).legend_format(query.legend).ref_id(_ref(n)).datasource(PROMETHEUS)
        panel.with_target((target.instant() if instant else target.range()).format(form))
    return panel


def _ref(n: int) -> str:
    return chr(ord("A") + n)


def _steps(steps: Steps) -> ThresholdsConfig:
    found = [Threshold(value=value, color=colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def _last() -> look.ReduceDataOptions:
    return look.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
