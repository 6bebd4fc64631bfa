"""REST: HTTP in front of the service."""

from ...core.extras import require_extra

require_extra("serve", "Serving")
