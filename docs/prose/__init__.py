"""A linter for the project's prose: vocabulary, length of sentences, one sentence per line."""
