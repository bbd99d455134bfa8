"""The money moves: attempts, gateways, finding out what became of a charge."""
