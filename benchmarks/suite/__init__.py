"""asv suite: `make bench-quick` runs each benchmark once, `make bench` times them properly."""
