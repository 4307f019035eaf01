"""Workers in processes against workers in actors of a Ray cluster on the same machine.

    python -m benchmarks.engines [--rounds 3] [--copies 8] [INPUT...]

What it does is in engines_ways.py: every child process imports the main module anew, so this one
imports nothing.
"""

if __name__ == "__main__":
    from benchmarks.engines_ways import main

    main()
