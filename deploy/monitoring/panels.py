"""Parts that the boards are made of: PromQL by name of metric, axes that say their unit, panels.

Metrics are named as in `worker.metrics.METRICS`, without their prefix.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import common, prometheus, stat, text, timeseries
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HERE = 'namespace=~"$namespace"'
RATE = "$__rate_interval"
PER_HOUR = " * 3600"


class Query(NamedTuple):
    """A PromQL expression and the legend of what it returns."""

    expr: str
    legend: str


class Axis(NamedTuple):
    """What a panel's vertical axis counts: Grafana's name of the unit, and the words beside the axis."""

    unit: str
    label: str


TIME = Axis("s", "time")  # the numbers beside it carry the unit: ms, s, min
TIME_PER_SECOND = Axis("s", "time per second")
EVENTS_PER_SECOND = Axis("eps", "events per second")
RECORDS = Axis("short", "records")
RECORDS_PER_SECOND = Axis("short", "records per second")
RECORDS_PER_HOUR = Axis("short", "records per hour")
ROOMS = Axis("short", "rooms")
WORKERS = Axis("short", "workers")
PARTITIONS = Axis("short", "partitions")

Panel: TypeAlias = timeseries.Panel | stat.Panel | text.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel)


def rate(metric: str, *by: str, match: str = "", scale: str = "") -> str:
    """Return the rate per second of a counter, summed over pods, by the labels `by`."""
    where = f"{HERE}, {match}" if match else HERE
    group = f" by ({', '.join(by)})" if by else ""
    return f"sum{group} (rate(stream_audit_{metric}{{{where}}}[{RATE}])){scale}"


def gauge(metric: str, how: str = "sum", *by: str) -> str:
    """Return a gauge over all pods, aggregated with `how`."""
    group = f" by ({', '.join(by)})" if by else ""
    return f"{how}{group} (stream_audit_{metric}{{{HERE}}})"


def quantile(q: float, metric: str, *by: str) -> str:
    """Return a quantile of a histogram over all pods."""
    group = ", ".join((*by, "le"))
    return f"histogram_quantile({q}, sum by ({group}) (rate(stream_audit_{metric}_bucket{{{HERE}}}[{RATE}])))"


def lines(title: str, about: str, axis: Axis, *queries: Query, width: int = 8) -> timeseries.Panel:
    """Draw lines over time."""
    panel = (
        timeseries.Panel().title(title).description(about).unit(axis.unit).axis_label(axis.label)
        .datasource(DATASOURCE).span(width).height(8).fill_opacity(10).line_width(1).axis_soft_min(0)
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
                .show_legend(True))
    )  # fmt: skip
    return _with_targets(panel, queries)


def number(title: str, about: str, unit: str, *queries: Query, width: int = 4, height: int = 4) -> stat.Panel:
    """Show the latest value, large."""
    panel = stat.Panel().title(title).description(about).unit(unit).datasource(DATASOURCE).span(width).height(height)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    return _with_targets(panel, queries)


def note(title: str, content: str, width: int = 8, height: int = 8) -> text.Panel:
    """Show Markdown."""
    return text.Panel().title(title).content(content).span(width).height(height)


def _with_targets(panel: P, queries: Sequence[Query]) -> P:
    for index, query in enumerate(queries):
        panel = panel.with_target(
            prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + index))
        )
    return panel
