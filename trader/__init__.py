"""`trader`: from a price file to an honest, out-of-sample verdict on a trading agent."""

__version__ = "0.1.0"
