"""How children are run."""
