"""Short names for settings: equal settings have equal names, on every machine."""

import hashlib
import json
from typing import Any


def fingerprint(settings: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that name these settings, whatever their order; values are such as JSON knows."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
