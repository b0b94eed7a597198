"""The servers that Roster is compared with, one per file, each as small as a fair one can be."""
