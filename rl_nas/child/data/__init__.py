"""Data sets: sources, splits, input pipelines, augmentation, normalization."""
