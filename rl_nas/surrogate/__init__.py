"""A model of the rewards: a Gaussian process over architectures, and what to evaluate next by it."""
