"""Answers counted, whatever was asked: accuracies, their intervals, and correlations."""
