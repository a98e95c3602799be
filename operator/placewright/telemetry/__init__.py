"""What the operator tells: metrics of its current state, health from heartbeats, logs."""
