"""The wire contract, tried from outside."""
