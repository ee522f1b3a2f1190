"""Agents: a loss and a policy each, written once against `keras.ops` and the backend seam."""
