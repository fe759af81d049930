"""Tasks: what a network is for. One folder each, and a line in the catalog."""
