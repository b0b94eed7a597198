"""The Flask shell around any inbound adapter: knows no resource and no format of documents."""
