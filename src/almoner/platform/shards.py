"""The partitions of what grows with donations, by number.

A donation's rows all lie in the partition of its donor, so whoever works a partition alone sees
everything of a donation, in order.
"""

from __future__ import annotations

from typing import Final

SHARDS: Final = 8
"""As many as the migrations made."""
