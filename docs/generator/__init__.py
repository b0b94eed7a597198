"""The parts of the documentation that are made out of the code."""
