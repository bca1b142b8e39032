"""The service's memory: entities as loaded, and every recommendation as answered."""
