"""Records in files: rows in and out, of any length, in constant memory."""
