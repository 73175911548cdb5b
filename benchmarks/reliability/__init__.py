"""Programs that try to break the library: hostile inputs, and random problems end to end."""
