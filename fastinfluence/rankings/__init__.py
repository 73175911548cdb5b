"""Helpers on top: mislabelled rows, harmful rows, a value for each, and what removal buys."""

from fastinfluence.rankings.label_issues import LabelIssues, find_label_issues
from fastinfluence.rankings.refitted import RemovalCurve, removal_curve
from fastinfluence.rankings.values import HarmfulRows, RowValues, rank_harmful, value_rows

__all__ = [
    "HarmfulRows",
    "LabelIssues",
    "RemovalCurve",
    "RowValues",
    "find_label_issues",
    "rank_harmful",
    "removal_curve",
    "value_rows",
]
