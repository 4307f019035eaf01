"""The quality of masks: numbers about a mask, and a model's answers from the tokens it keeps.

    selections.py  the selections to evaluate       metrics/     numbers without a language model
    questions/     questions of a list, asked       compare/     selections on one encoding
    statistics/    answers counted, with intervals  report/      tables, plots and documents

The package trains nothing and makes no store. Importing it imports nothing heavy.
"""
