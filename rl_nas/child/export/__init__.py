"""Export of trained networks: serving, file formats, verification."""
