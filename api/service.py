"""What a route may use: settings, store, the matcher in service and the clock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Final

from fastapi import Depends, Request

from api.failures import Failures
from api.meters import Meters
from api.serving import Serving
from api.settings import Settings
from api.store.database import Store

CHECKED_AT_ONCE: Final = 4  # passwords: a check takes 64 MiB, so that a storm of guesses waits its turn


@dataclass(frozen=True)
class Service:
    """The parts that `create_app` put together; `now` is the only clock."""

    settings: Settings
    store: Store
    serving: Serving
    now: Callable[[], datetime]

    @cached_property
    def rankers(self) -> ThreadPoolExecutor:
        """The threads that rank; who finds none free waits, in the order in which they came."""
        return ThreadPoolExecutor(self.settings.threads, "ranker")

    @cached_property
    def doorkeepers(self) -> ThreadPoolExecutor:
        """The threads that check passwords: on those of all requests a storm of guesses would leave none for others."""
        return ThreadPoolExecutor(CHECKED_AT_ONCE, "doorkeeper")

    @cached_property
    def failures(self) -> Failures:
        """Who failed to sign in, by address."""
        return Failures(self.settings.address_failures, timedelta(minutes=self.settings.lock_minutes))

    @cached_property
    def meters(self) -> Meters:
        """What is counted for who operates the service."""
        return Meters()

    def close(self) -> None:
        """Finish what is being ranked and recorded; who comes later finds new threads and new connections."""
        for name in ("rankers", "doorkeepers"):
            threads: ThreadPoolExecutor | None = self.__dict__.pop(name, None)
            if threads is not None:
                threads.shutdown()
        self.store.close()

    def today(self) -> date:
        """The date where the service stands."""
        return self.now().astimezone().date()


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


async def _service(request: Request) -> Service:
    """A coroutine, so that FastAPI hands it over without a thread."""
    service: Service = request.app.state.service
    return service


ServiceGiven = Annotated[Service, Depends(_service)]
