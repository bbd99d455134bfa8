"""What people decide about charges: one proposes, another approves."""
