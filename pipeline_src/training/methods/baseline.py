"""Baseline: cross entropy against the labels as they are (alpha = 0)."""

from __future__ import annotations

from pipeline_src.training.method import Method


class Baseline(Method):
    """Plain likelihood maximization.

    Kind: paper
    Idea: Plain likelihood maximization, to which all others are compared.
    Formula: `L(y)`
    Source: –
    """
