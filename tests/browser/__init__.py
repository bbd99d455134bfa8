"""Donors at the pages, in a real browser, with a real `almoner serve` behind them."""
