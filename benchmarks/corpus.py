"""Many videos into one store: the local engine against a plain loop over videos.

    python -m benchmarks.corpus [--rounds 5] [--copies 4] [INPUT...]

What it does is in corpus_ways.py: every child process imports the main module anew, so this one
imports nothing.
"""

if __name__ == "__main__":
    from benchmarks.corpus_ways import main

    main()
