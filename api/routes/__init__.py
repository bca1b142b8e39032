"""The service's JSON, one file a resource."""

from api.routes import (
    cases,
    coordination,
    enterprises,
    events,
    health,
    metrics,
    months,
    needs,
    outcomes,
    products,
    readiness,
    recommendations,
)

ROUTERS = (
    recommendations.router,
    needs.router,
    outcomes.router,
    cases.router,
    events.router,
    coordination.router,
    months.router,
    products.router,
    enterprises.router,
    readiness.router,
    health.router,
    metrics.router,
)
