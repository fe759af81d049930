"""Networks planned from genotypes: layers, shapes, costs. No TensorFlow."""
