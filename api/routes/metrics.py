"""What Prometheus scrapes: what was counted, the model in service, and what waits at the desk in all."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

from api.desk.identity import Actor, Scope
from api.desk.overview import waiting_in_all
from api.desk.unplaced import Unplaced, Wanted, count
from api.keyed import openly
from api.meters import CONTENT_TYPE
from api.refusals import ForbiddenError
from api.service import Service, ServiceGiven
from api.store.outages import StoreError
from matching.errors import BundleError

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def get_metrics(service: ServiceGiven, actor: Annotated[Actor, Depends(openly(Scope.READ))]) -> Response:
    """For who operates the service: no case, no name, and nothing of one institution."""
    if actor.institution_id is not None:
        raise ForbiddenError("figures of the whole service are for no institution's key")
    return Response(service.meters.text([*_model(service), *_cases(service)]), media_type=CONTENT_TYPE)


def _model(service: Service) -> Iterator[Metric]:
    """As `/readyz` would say it now."""
    ready = GaugeMetricFamily("matching_ready", "Whether recommendations can be ranked")
    try:
        matcher = service.serving.matcher()
    except (BundleError, StoreError):
        ready.add_metric((), 0)
    else:
        ready.add_metric((), 1)
        versions = {"model_id": matcher.ranker.model_id, "catalogue_version": matcher.catalogue.version}
        yield InfoMetricFamily("matching_model", "The model and the catalogue in service", versions)
    yield ready


def _cases(service: Service) -> Iterator[Metric]:
    """While the store cannot be used there is no line of them: 0 would be untrue."""
    try:
        with service.store.reading() as session:
            waiting, overdue = waiting_in_all(session, service.now())
            left, late = (count(session, service.today(), Wanted(show)) for show in (Unplaced.OPEN, Unplaced.OVERDUE))
    except StoreError:
        return
    yield GaugeMetricFamily("matching_cases_open", "Cases that wait for an institution", waiting)
    yield GaugeMetricFamily("matching_cases_overdue", "Those of them whose clock has run out", overdue)
    yield GaugeMetricFamily("matching_coordination_open", "Listed needs that nobody is left for, not settled", left)
    yield GaugeMetricFamily("matching_coordination_overdue", "Those of them that are overdue", late)
