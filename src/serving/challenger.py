"""A model on trial beside the one in use, and what ends its trial."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..core.errors import ConfigError
from ..pipeline.pipeline import ListingPipeline

Why: TypeAlias = Literal["promise", "failures", "loading", "removed", "promoted"]
"""What switched a challenger off: audits, errors, a bundle that can't be opened or that is gone, or
that it is the champion now."""
MAX_TROUBLE = 3.0
"""So many failures without an answer between them switch it off."""
RECOVERY = 0.1
"""An answer makes good for so much of a failure: one that fails more often is switched off."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Off:
    """Why a challenger is off; `reason` is a sentence for people, without paths and listings."""

    why: Why
    reason: str

    @property
    def said(self) -> str:
        """Say it, and what it means for answers."""
        return f"The challenger is switched off, and the champion answers alone. {self.reason}"


class Challenger:
    """A pipeline that answers a share of listings, or none and only judges behind the answers.

    Parameters
    ----------
    open_pipeline
        Loads it: by `load`, and again at each `reload`.
    share
        Of keys (see `routing.in_share`) that it answers, 0 to 1; with 0 nobody notices it.
    bundles
        Where champion and challenger lie, for whoever reads the report.

    Attributes
    ----------
    last
        The pipeline that was loaded last, also once it is off.
    off
        Why it is off; None while it isn't.

    Raises
    ------
    ConfigError
        If the share isn't within 0 and 1.
    """

    def __init__(
        self,
        open_pipeline: Callable[[], ListingPipeline],
        share: float = 0.0,
        bundles: tuple[str, str] = ("", ""),
    ) -> None:
        if not 0 <= share <= 1:
            raise ConfigError(
                f"A challenger's share must be 0% (it only watches) to 100%, got {share:.3g}."
            )
        self.share, self.bundles = share, bundles
        self.off: Off | None = None
        self.last: ListingPipeline | None = None
        self._open = open_pipeline
        self._trouble = 0.0
        self._lock = threading.Lock()

    @property
    def pipeline(self) -> ListingPipeline | None:
        """The pipeline on trial; None while it loads, and once it is off."""
        return None if self.off else self.last

    def load(self) -> None:
        """Open the pipeline; one that can't be opened is off, and the champion goes on alone."""
        try:
            self._use(self._open())
        except Exception as error:  # noqa: BLE001 (whatever it is, serving goes on)
            _LOG.exception("the challenger can't be opened")
            self.stop("loading", f"It can't be opened ({type(error).__name__}).")

    def reload(self) -> str:
        """Open it anew, and begin a new trial, also if the last was ended; its version.

        Raises
        ------
        ShelfsureError
            If it can't be opened; all stays as it was.
        """
        fresh = self._open()
        self._use(fresh)
        return fresh.version

    def stop(self, why: Why, reason: str) -> None:
        """Switch it off, and say why; the first reason stays."""
        with self._lock:
            if self.off:
                return
            self.off = Off(why, reason)
        _LOG.warning("the challenger is switched off: %s", reason)

    def failed(self, error: Exception) -> None:
        """Note that it failed where the champion didn't; failing again and again ends its trial."""
        _LOG.warning("the challenger failed, and the champion answers", exc_info=error)
        with self._lock:
            self._trouble += 1
            over = self._trouble >= MAX_TROUBLE
        if over:
            self.stop("failures", f"It failed again and again, last with {type(error).__name__}.")

    def succeeded(self) -> None:
        """Note that it judged what it was given."""
        with self._lock:
            self._trouble = max(0.0, self._trouble - RECOVERY)

    def _use(self, pipeline: ListingPipeline) -> None:
        with self._lock:
            self.last, self.off, self._trouble = pipeline, None, 0.0
        _LOG.info("challenger %s is loaded", pipeline.version)
