"""One module for each revision, numbered; none of them is changed once it was released."""
