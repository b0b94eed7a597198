"""The servers that Roster is compared with: one file each, as small as each can honestly be."""
