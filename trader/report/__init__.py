"""What a backtest says, for machines (JSON, CSV) and for people (console, one HTML file)."""
