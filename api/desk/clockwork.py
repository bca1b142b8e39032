"""The clocks are looked at every few minutes while the service runs; replicas may do so at once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from api.desk.cases import sweep
from api.service import Service
from api.store.outages import StoreError

_log = logging.getLogger("api")


@asynccontextmanager
async def sweeping(service: Service) -> AsyncIterator[None]:
    """Sweeps as often as the settings say, first after that time; not at all where they say 0."""
    task = asyncio.create_task(_forever(service)) if service.settings.sweep_minutes else None
    yield
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _forever(service: Service) -> None:
    while True:
        await asyncio.sleep(service.settings.sweep_minutes * 60)
        await asyncio.to_thread(_once, service)


def _once(service: Service) -> None:
    """A sweep that fails is tried again the next time."""
    try:
        done = sweep(service, service.now())
    except StoreError:  # the log has it
        return
    except Exception:
        _log.exception("the clocks could not be looked at")
        return
    if done.expired or done.forgotten:
        _log.info(
            "%s cases expired, %s handed on, %s records forgotten", len(done.expired), len(done.opened), done.forgotten
        )
