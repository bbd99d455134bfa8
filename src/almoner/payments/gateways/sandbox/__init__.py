"""The sandbox gateway, which charges test money."""
