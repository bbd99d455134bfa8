"""The documents are true, the layout is kept, the commands explain themselves."""
