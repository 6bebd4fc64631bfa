"""REST: HTTP in front of the service."""
