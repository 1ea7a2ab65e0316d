"""Panels that ask Elasticsearch for log records, as Grafana's data source wants its questions."""

from typing import Final, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import common as look
from grafana_foundation_sdk.builders import elasticsearch as elastic
from grafana_foundation_sdk.builders import logs, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DataTransformerConfig, DynamicConfigValue
from grafana_foundation_sdk.models.elasticsearch import TermsOrder

LOGS: Final = DataSourceRef(type_val="elasticsearch", uid="logs")
TIME: Final = "timestamp"
MOST_GROUPS: Final = "10"
MOST_RECORDS: Final = "500"

Panel = TypeVar("Panel", timeseries.Panel, table.Panel, logs.Panel)


class Asked(NamedTuple):
    """A Lucene query and the field that tells its series apart."""

    query: str
    by: str = ""


def over_time(title: str, about: str, asked: Asked, width: int = 8) -> timeseries.Panel:
    """Records in each step of time, one series for each of the most frequent values of the field."""
    groups = elastic.ElasticsearchTermsSettings().size(MOST_GROUPS).order(TermsOrder.DESC).order_by("_count")
    steps = elastic.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0").trim_edges("0")
    query = _query(asked).alias(f"{{{{term {asked.by}}}}}").metrics([elastic.Count().id("1")])
    query.bucket_aggs(
        [
            elastic.Terms().id("2").field(asked.by).settings(groups.min_doc_count("1")),
            elastic.DateHistogram().id("3").field(TIME).settings(steps),
        ]
    )
    panel = timeseries.Panel().unit("short").min(0).draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
    panel.stacking(look.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    panel.legend(
        look.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["sum"])
    )
    return _placed(panel.with_target(query), title, about, width, 8)


def records_table(title: str, about: str, asked: Asked, columns: tuple[str, ...], sorted_by: str) -> table.Panel:
    """The newest records that are found, these fields of each, the highest value of one of them first."""
    newest = elastic.RawData().id("1").settings(elastic.ElasticsearchRawDataSettings().size(MOST_RECORDS))
    panel = table.Panel().unit("short").with_target(_query(asked).metrics([newest]).bucket_aggs([]))
    shown = DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
    placed = DataTransformerConfig(id_val="organize", options={"indexByName": {c: n for n, c in enumerate(columns)}})
    panel.with_transformation(shown).with_transformation(placed)
    panel.override_by_name("duration_us", [DynamicConfigValue("unit", "µs")])
    panel.sort_by([look.TableSortByFieldState().display_name(sorted_by).desc(True)])
    return _placed(panel, title, about, 24, 10)


def last(title: str, about: str, asked: Asked) -> logs.Panel:
    """The newest records as lines of text, one below the other."""
    newest = elastic.Logs().id("1").settings(elastic.ElasticsearchLogsSettings().limit(MOST_RECORDS))
    panel = logs.Panel().unit("short").with_target(_query(asked).metrics([newest]).bucket_aggs([]))
    panel.show_time(True).wrap_log_message(True).enable_log_details(True).sort_order(common.LogsSortOrder.DESCENDING)
    panel.dedup_strategy(common.LogsDedupStrategy.NONE)
    return _placed(panel, title, about, 24, 14)


def _query(asked: Asked) -> elastic.Dataquery:
    return elastic.Dataquery().ref_id("A").query(asked.query).time_field(TIME).datasource(LOGS)


def _placed(panel: Panel, title: str, about: str, width: int, height: int) -> Panel:
    return panel.title(title).description(about).datasource(LOGS).span(width).height(height)
