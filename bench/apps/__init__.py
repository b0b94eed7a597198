"""The servers that Roster is compared with, each as small as a fair comparison allows."""
