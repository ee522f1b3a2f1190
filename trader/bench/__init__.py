"""How fast this machine trains and backtests, beside what its matrix products allow."""
