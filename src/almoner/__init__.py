"""Almoner: a donation platform that a charity runs itself."""

__version__ = "0.1.0"
