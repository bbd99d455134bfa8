"""Every moment at which a process can die or an answer can be lost, one after the other.

A moment is a statement on its way to PostgreSQL, of our database or of the sandbox gateway's own.
Nothing in the program names them: the wire counts what passes, so a new statement is a new case.
"""
