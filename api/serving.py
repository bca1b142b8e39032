"""What is served now: the champion over the catalogue, swapped whole when either changes."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy.exc import IntegrityError

from api.store import queries
from api.store.coalescing import Coalesced
from api.store.database import Store
from api.store.outages import StoreError
from matching.bundles import bundle as bundle_of
from matching.bundles import champion, promoted, promotion
from matching.catalogue import EPOCH, Catalogue
from matching.compiled import anything_compiled
from matching.domain import Enterprise, Need, Product
from matching.errors import BundleError
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.reasons import explained

_A_MONTH: Final = timedelta(days=31)  # of its own month nothing is known to a need
_log = logging.getLogger("api")


@dataclass(frozen=True)
class Served:
    """A matcher, and the champion's folder and the catalogue's revision that it was made of."""

    bundle: Path
    revision: int
    matcher: Matcher


class Serving:
    """Hands out the matcher in service; requests under way keep the one that they began with."""

    def __init__(self, store: Store, models: Path) -> None:
        self._store = store
        self._models = models
        self._lock = Lock()
        self._served: Served | None = None
        self._made: Served | None = None  # in service once its catalogue is kept
        self._refused: set[tuple[Path, int, tuple[int, int] | None]] = set()
        self._why = ""
        self._current = Coalesced(self._look)
        self._former_lock = Lock()
        self._former: tuple[tuple[str, str], Matcher] | None = None

    def matcher(self, arrived: float = inf) -> Matcher:
        """The matcher of today's champion and catalogue; see `Coalesced` for `arrived`.

        Raises `BundleError` while there is none. Where a new champion cannot be read the old one stays in service, over
        a new catalogue all the same: a product that has ended is offered no more. The log says why, once, and where
        models lie; who asks is not told where.
        """
        return self._current.value(arrived)

    def _look(self) -> Matcher:
        revision, served = self._store.glance(queries.REVISION) or 0, self._served
        try:
            bundle = self._wanted(served)
        except BundleError as error:
            if served is None:
                raise self._unready(str(error)) from None
            bundle = served.bundle
        if served is None or (served.bundle, served.revision) != (bundle, revision):
            served = self._swap(bundle, revision)
        return served.matcher

    def former(self, model_id: str, catalogue_version: str) -> Matcher:
        """The matcher of versions that may no longer be in service: made one at a time, the last one kept.

        Who replays a year's records at once would have as many models read. Raises `NotFoundError`, `BundleError`.
        """
        versions = (model_id, catalogue_version)
        with self._former_lock:
            if self._former is None or self._former[0] != versions:
                self._former = None  # before the next is read: there is room for one beside the one in service
                self._former = versions, self._remade(*versions)
            return self._former[1]

    def _remade(self, model_id: str, catalogue_version: str) -> Matcher:
        with self._store.reading() as session:
            catalogue = queries.kept_catalogue(session, catalogue_version)
        served = self._served
        if served is not None and served.matcher.ranker.model_id == model_id:
            return Matcher(catalogue, served.matcher.ranker)
        return Matcher(catalogue, Ranker.load(bundle_of(self._models, model_id)))

    def _wanted(self, served: Served | None) -> Path:
        """The champion's folder; while it is the one that is served, nobody looks whether it is still there."""
        if served is not None and served.bundle.name == promoted(self._models):
            return served.bundle
        return champion(self._models)

    def _unready(self, why: str) -> BundleError:
        if why != self._why:
            self._why = why
            _log.warning("no model is in service: %s", why)
        return BundleError("no model is in service: the service's log says what to do")

    def _unstarted(self, error: Exception, bundle: Path) -> Exception:
        """Of a catalogue that this version cannot read, too, one is told as of a model: the desk works without."""
        return error if isinstance(error, BundleError) else self._unready(f"{bundle.name} over the catalogue: {error}")

    def _swap(self, bundle: Path, revision: int) -> Served:
        with self._lock:
            promoted_at = promotion(self._models)  # promoted again, a bundle may have been mended
            served = self._replaced(bundle, revision, promoted_at)
            if (bundle, revision, promoted_at) in self._refused:
                served = self._replaced(served.bundle, revision, promoted_at)
            return served

    def _replaced(self, bundle: Path, revision: int, promoted_at: tuple[int, int] | None) -> Served:
        """What is in service after this was tried, once; raises what kept it out where nothing is."""
        served, wanted = self._served, (bundle, revision, promoted_at)
        if served is not None and ((bundle, revision) == (served.bundle, served.revision) or wanted in self._refused):
            return served
        try:
            self._served = self._load(bundle, revision)
        except StoreError:  # says nothing of the model or the catalogue: the next request tries them again
            if served is None:
                raise
            return served
        except Exception as error:
            if served is None:
                raise self._unstarted(error, bundle) from error
            self._refused.add(wanted)
            _log.exception("%s stays in service: %s cannot replace it: %s", served.bundle.name, bundle.name, error)
            return served
        _log.info("in service: %s over revision %s of the catalogue", bundle.name, revision)
        return self._served

    def _load(self, bundle: Path, revision: int) -> Served:
        """Made once: where the store is gone when the catalogue is to be kept, the next request only keeps it."""
        made = self._made
        if made is None or (made.bundle, made.revision) != (bundle, revision):
            made = self._made = self._make(bundle, revision)
        self._keep(made.matcher.catalogue)
        self._made = None
        return made

    def _make(self, bundle: Path, revision: int) -> Served:
        with self._store.reading() as session:
            catalogue, currency = Catalogue.of(*queries.catalogue(session)), queries.currency(session)
        if not catalogue.products:
            raise BundleError("the catalogue is empty: load tables with `python -m api load DATA`")
        if not anything_compiled():
            _log.info("loading the model: after an installation routines are compiled first, about a minute")
        served = self._served
        ranker = served.matcher.ranker if served is not None and served.bundle == bundle else Ranker.load(bundle)
        if (learned := ranker.manifest.get("currency", currency)) != currency:  # what amounts mean to it
            raise BundleError(f"{bundle.name} learned in {learned}, the tables in service are in {currency}")
        matcher = Matcher(catalogue, ranker)
        _rehearse(matcher)
        return Served(bundle, revision, matcher)

    def _keep(self, catalogue: Catalogue) -> None:
        try:
            with self._store.writing() as session:
                queries.keep_catalogue(session, catalogue)
        except IntegrityError:
            _log.debug("another replica has kept catalogue %s", catalogue.version)


def _rehearse(matcher: Matcher) -> None:
    """Rank and explain once for nobody: routines are compiled before a request needs them, model and catalogue fit.

    Asked is for what a product offers on a day when all of the past is known: only what is eligible is scored.
    """
    product, as_of = _newest(matcher)
    enterprise = Enterprise(enterprise_id="nobody", as_of=as_of)
    need = Need(
        need_id="none",
        enterprise_id="nobody",
        posted_at=as_of,
        amount=product.min_amount or product.max_amount or 1,
        term_months=product.min_term or product.max_term or None,
    )
    ranking = matcher.rank(enterprise, need, as_of=as_of)
    with suppress(BundleError):  # a forest that only LightGBM can score has no reasons
        explained(matcher, ranking, enterprise, need)


def _newest(matcher: Matcher) -> tuple[Product, date]:
    """The newest product, if possible one that is still offered, and a day after it came and all else happened."""
    products, past = matcher.catalogue.products, matcher.ranker.history.day
    as_of = max(product.valid_from for product in products)
    if len(past):
        as_of = max(as_of, EPOCH + timedelta(days=int(past[-1])) + _A_MONTH)
    offered = [product for product in products if product.valid_to is None or product.valid_to > as_of]
    return max(offered or products, key=lambda product: product.valid_from), as_of
