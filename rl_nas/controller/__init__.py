"""The RNN controller."""
