"""What gateways tell us: stored once, answered, then worked off. It only makes us look."""
