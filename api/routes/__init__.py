"""The service's JSON, one file a resource."""

from api.routes import enterprises, health, products, readiness, recommendations

ROUTERS = (recommendations.router, products.router, enterprises.router, readiness.router, health.router)
