"""After a restore: bring back what only the gateway still knows."""
