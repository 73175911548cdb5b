"""This library beside others, in one run: the same answers first, then the times."""
