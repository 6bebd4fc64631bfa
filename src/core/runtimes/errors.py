"""What runtimes raise."""

from ..errors import ShelfsureError


class RuntimeUnusableError(ShelfsureError):
    """An encoder can't run on the wanted runtime, or not exactly enough."""
