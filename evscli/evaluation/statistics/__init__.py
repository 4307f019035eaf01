"""Answers counted, whoever asked: accuracies, their intervals, and what goes with them."""
