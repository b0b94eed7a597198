"""Connects Roster to the outside world, with a package or a module for each technology."""
