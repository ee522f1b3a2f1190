"""`python -m trader` is the `trader` command."""

from trader.cli.main import main

if __name__ == "__main__":
    main()
