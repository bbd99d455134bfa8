"""Chaos: a real `almoner serve` under load and under fire, and then three truths compared."""
