"""Training of children and of full networks."""
