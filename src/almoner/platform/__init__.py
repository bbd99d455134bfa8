"""What no feature owns: settings, database, cache, limits, HTTP."""
