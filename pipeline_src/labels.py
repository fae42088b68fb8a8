"""Labels in 8-bit masks that are no class ids."""

from __future__ import annotations

NO_CLASS = 254  # pixels on which none of K classes is right
IGNORED = 255  # pixels that never count
