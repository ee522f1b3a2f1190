"""From a path of targets to numbers: ledger, metrics, backtest."""
