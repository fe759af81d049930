"""Neural architecture search with a reinforcement-learning controller, on TensorFlow and Keras 3."""
