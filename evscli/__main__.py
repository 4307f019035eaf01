"""`python -m evscli`: the same as `evs`."""

from evscli.cli import main

if __name__ == "__main__":
    main()
