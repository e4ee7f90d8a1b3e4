"""`python -m engine` is the command `odzera`."""

from engine.cli import main

if __name__ == "__main__":
    main()
