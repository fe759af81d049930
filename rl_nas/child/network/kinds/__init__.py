"""One record for each kind of layer: how it is built in Keras, and how it is computed directly."""
