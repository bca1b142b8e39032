"""The service's JSON, one file a resource."""

from api.routes import enterprises, health, products, recommendations

ROUTERS = (recommendations.router, products.router, enterprises.router, health.router)
