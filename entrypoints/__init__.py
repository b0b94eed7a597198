"""The processes of Roster: the server and the command line. They connect all packages."""
