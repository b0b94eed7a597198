"""Mutation testing: `python -m mutation` changes the code in small ways and runs the tests."""
