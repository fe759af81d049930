"""A planned network as a Keras model and as a direct computation."""
