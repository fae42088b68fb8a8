"""Baseline: binary cross entropy against the labels as they are (alpha = 0)."""

from __future__ import annotations

from pipeline_src.training.method import Method


class Baseline(Method):
    """Plain likelihood maximisation.

    Kind: paper
    Idea: Plain likelihood maximisation; what all others are compared with.
    Formula: `L(y)`
    Changes: nothing
    Cost: –
    Source: –
    """
