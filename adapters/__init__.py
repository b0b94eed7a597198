"""The outside things that Roster talks to, each wrapped in a room of its own."""
