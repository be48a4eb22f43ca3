"""What Prometheus asks for: jobs of all processes of the folder, and this process."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from cad_jax.service.jobs import Jobs


def make_registry(jobs: Jobs) -> CollectorRegistry:
    """Counts jobs anew whenever it is asked; memory, time and open files are this process's."""
    registry = CollectorRegistry()
    registry.register(_JobsCollector(jobs))
    ProcessCollector(registry=registry)
    return registry


class _JobsCollector(Collector):
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        unanswered, totals = self._jobs.unanswered(), self._jobs.totals()
        yield _family(GaugeMetricFamily, "cad_jobs", "Unanswered jobs.", "state", unanswered)
        for name, text, label in (
            ("answered", "Answered jobs.", "verdict"),
            ("refused", "Uploads that were not taken.", "reason"),
        ):
            values = {key: value for (total, key), value in totals.items() if total == name}
            yield _family(CounterMetricFamily, f"cad_jobs_{name}", text, label, values)
        for name, total, text in (
            ("cad_jobs_accepted", "accepted", "Accepted jobs."),
            ("cad_upload_bytes", "bytes", "Bytes of accepted uploads."),
            ("cad_health_checks", "health", "Answers to /health."),
        ):
            yield CounterMetricFamily(name, text, value=totals.get((total, ""), 0))
        answered = sum(value for (total, _), value in totals.items() if total == "answered")
        yield SummaryMetricFamily(
            "cad_job_seconds",
            "From acceptance to answer.",
            count_value=int(answered),
            sum_value=totals.get(("seconds", ""), 0.0),
        )


def _family(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    label: str,
    values: Mapping[str, int | float],
) -> Metric:
    family = kind(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
