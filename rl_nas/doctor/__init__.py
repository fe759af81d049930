"""Checks before money is spent: the machine, the data, the flags of a search, and what the search will take."""
