"""The command line as `python -m evscli`, equal to `evs`."""

from evscli.cli import main

if __name__ == "__main__":
    main()
