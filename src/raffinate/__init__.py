"""raffinate."""
