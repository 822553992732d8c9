"""`python -m lasca_core` is the command `lasca`."""

from lasca_core.cli.main import main

if __name__ == "__main__":
    main()
