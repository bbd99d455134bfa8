"""Gifts that are brought back from what a gateway knows of them."""
