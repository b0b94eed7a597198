"""What Roster knows about users, in plain Python: values, their rules and the refusals."""
