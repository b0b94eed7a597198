"""One numbered module for each revision. A released revision is not changed."""
