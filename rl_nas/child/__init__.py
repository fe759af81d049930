"""Child networks in Keras: data, building, training, export."""
