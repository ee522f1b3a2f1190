"""Market environments: pure functions, batch-first."""
