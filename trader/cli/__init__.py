"""The `trader` command: parse, call, print; nothing else. Heavy packages are imported inside command bodies only."""
