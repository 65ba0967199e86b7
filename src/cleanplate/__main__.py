"""`python -m cleanplate` is the command line."""

from cleanplate.cli import main

if __name__ == "__main__":
    main()
