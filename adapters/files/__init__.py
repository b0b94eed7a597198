"""Files of resources: their columns, and the conversion of cells and members to attributes.

There are two formats:

    csv     a header row, then a row for each resource; every cell is text
    jsonl   an object on each line, or one array of objects

docs/bulk.md describes which variants of each format are recognized. Files are binary streams, so
that uploads can be read in the same way.
"""
