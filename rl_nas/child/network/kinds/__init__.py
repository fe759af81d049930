"""One record for each kind of layer: its Keras layer and its direct computation."""
