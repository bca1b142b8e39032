"""What is counted while the service answers, and how it is told in Prometheus' text format: the sum of all workers."""

from asyncio import get_running_loop
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, Summary, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.settings import counts_folder

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
OTHER: Final = "other"
LEFT: Final = "left"
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # HEAD is asked as GET
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SOON: Final = 0.25  # seconds
Noted = TypeVar("Noted")


class Meters:
    """Counters of one service; several workers keep them in one folder, where each has files of its own.

    What happened is noted at once and counted together with all else of a quarter of a second: one by one, between
    rankings, it would take three times as long. None is a gauge: what a worker has counted before it died still counts.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # when a counter began is a second line for each, and is asked by nobody
        self._own = CollectorRegistry()
        self._answers: deque[tuple[tuple[str, str, str], float]] = deque()
        self._recommendations: deque[tuple[float, float]] = deque()
        self._planned = False
        self._requests = Counter(
            "matching_http_requests",
            "Requests answered, by the route's template",
            ("route", "method", "status"),
            registry=self._own,
        )
        self._seconds = Histogram(
            "matching_http_request_duration_seconds",
            "Seconds from a request's head to the last of its answer",
            ("route",),
            registry=self._own,
            buckets=_BUCKETS,
        )
        self._ranking = Summary(
            "matching_ranking_seconds",
            "Seconds in which recommendations were ranked",
            registry=self._own,
        )
        self._recording = Summary(
            "matching_recording_seconds",
            "Seconds from there until their records were on disk",
            registry=self._own,
        )

    def answered(self, route: str, method: str, status: str, seconds: float) -> None:
        """A request has its answer, on the loop's thread. `route` is a template: each text is a label that stays."""
        self._answers.append(((route, method, status), seconds))
        if not self._planned:
            self._planned = True
            get_running_loop().call_later(_SOON, self._count)

    def recommended(self, ranking: float, recording: float) -> None:
        """A recommendation was ranked in so many seconds, and on disk after so many more."""
        self._recommendations.append((ranking, recording))

    def text(self, state: Iterable[Metric]) -> bytes:
        """All that was counted, by this process or by all that share a folder, and `state` after it."""
        self._count()
        folder = counts_folder()
        counted: Collector = self._own if folder is None else MultiProcessCollector(None, folder)
        return generate_latest(_Told(counted, tuple(state)))

    def _count(self) -> None:
        self._planned = False
        for labels, seconds in _taken(self._answers):
            self._requests.labels(*labels).inc()
            self._seconds.labels(labels[0]).observe(seconds)
        for ranking, recording in _taken(self._recommendations):
            self._ranking.observe(ranking)
            self._recording.observe(recording)


@dataclass(frozen=True)
class _Told(Collector):
    """What one scrape is told."""

    counted: Collector
    state: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        yield from self.counted.collect()
        yield from self.state


def _taken(noted: deque[Noted]) -> Iterator[Noted]:
    """What is in it, each one once, whichever threads take at a time."""
    with suppress(IndexError):
        while True:
            yield noted.popleft()
