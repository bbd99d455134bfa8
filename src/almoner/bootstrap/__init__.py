"""Compose: the only place that picks adapters and tells each feature about the others."""

from __future__ import annotations

from almoner.bootstrap.base import Base, bounds_of
from almoner.bootstrap.books import Bookkeeping, read_settlement_report
from almoner.bootstrap.gateways import make_gateway
from almoner.bootstrap.journal import make_segments
from almoner.bootstrap.limits import limits_of, shared_levels
from almoner.bootstrap.payments import Payments
from almoner.bootstrap.reviews import Reviews
from almoner.bootstrap.web import Web
from almoner.bootstrap.work import Work

__all__ = [
    "Base",
    "Bookkeeping",
    "Payments",
    "Reviews",
    "Web",
    "Work",
    "bounds_of",
    "limits_of",
    "make_gateway",
    "make_segments",
    "read_settlement_report",
    "shared_levels",
]
