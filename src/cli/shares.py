"""Shares of a whole, as people write them."""

from ..core.errors import ConfigError


def share_of(text: str, option: str) -> float:
    """Read a share: ``2%`` or ``0.02``.

    Raises
    ------
    ConfigError
        If it isn't above 0 and at most 1.
    """
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ConfigError(
            f"{option} must be a share above 0% and at most 100%, such as 2% or 0.02, got {text!r}."
        )
    return share
