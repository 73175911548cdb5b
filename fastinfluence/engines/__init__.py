"""One engine per model kind: the five primitives behind every question."""
