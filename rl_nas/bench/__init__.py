"""Comparison of strategies on tabular benchmarks: many runs, equal budgets, intervals."""
