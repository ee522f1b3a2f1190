"""Strategies that learn nothing: what an agent must beat."""
