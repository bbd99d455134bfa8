"""What gateways paid out: received once, and worked off line by line."""
