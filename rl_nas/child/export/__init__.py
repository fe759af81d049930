"""Trained networks as others use them: serving, file formats, verification."""
