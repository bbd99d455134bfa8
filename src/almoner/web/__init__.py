"""The donors' pages, as they are served."""
