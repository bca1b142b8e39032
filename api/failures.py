"""Failed tries to sign in, by the address they came from: one password tried on many accounts locks none of them."""

from collections import deque
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import Lock
from typing import Final

from api.refusals import TooManyError

ONE_HOUSE: Final = 64  # bits of an IPv6 address: the rest a household, or an attacker, chooses freely


class Failures:
    """The last `most` failures of each address, as long as they are within `span`; with `most` 0 none are counted.

    They are those of this process, and are gone when it ends: an account's own lock is in the store. The check of a
    password takes so long that few failures fit into a span, from however many addresses.
    """

    def __init__(self, most: int, span: timedelta) -> None:
        self._most, self._span = most, span
        self._failed: dict[str, deque[datetime]] = {}  # the address that failed last stands last
        self._lock = Lock()

    def check(self, address: str, now: datetime) -> None:
        """Raises `TooManyError` where the address has failed too often to try again now."""
        with self._lock:
            times = self._failed.get(_house(address))
            wait = times[0] + self._span - now if times and len(times) == self._most else timedelta()
        if wait > timedelta():
            raise TooManyError("too many tries from this address have failed", wait)

    def add(self, address: str, now: datetime) -> None:
        """One more of this address."""
        if not self._most:
            return
        house = _house(address)
        with self._lock:
            times = self._failed.pop(house, deque(maxlen=self._most))
            times.append(now)
            self._failed[house] = times
            while (first := next(iter(self._failed))) != house and self._failed[first][-1] + self._span <= now:
                del self._failed[first]


def _house(address: str) -> str:
    """An address without what its owner may choose anew for each try."""
    try:
        found = ip_address(address)
    except ValueError:  # a socket without one
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((int(found), ONE_HOUSE), strict=False))
    return str(found)
