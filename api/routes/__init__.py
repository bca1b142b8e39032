"""The service's JSON, one file a resource."""

from api.routes import cases, enterprises, health, needs, outcomes, products, readiness, recommendations

ROUTERS = (
    recommendations.router,
    needs.router,
    outcomes.router,
    cases.router,
    products.router,
    enterprises.router,
    readiness.router,
    health.router,
)
