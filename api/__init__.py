"""Online: the service."""
