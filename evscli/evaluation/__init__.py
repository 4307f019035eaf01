"""How good a mask is: numbers about it, and what a model still says when it sees only that much.

    selections.py  which selections are asked about    metrics/     numbers without a language model
    questions/     a person's own questions, asked     compare/     selections on one encoding
    statistics/    answers counted, with intervals     report/      tables, plots and documents

It trains nothing and makes no store. Importing it imports nothing heavy.
"""
