"""What can go wrong with backups. Every message is a sentence a person can act on."""

from __future__ import annotations


class BackupError(Exception):
    """A backup could not be taken, read or put back. What was there before is untouched."""


class BackupDamaged(BackupError):
    """A file of a backup is missing, or is not what the manifest says."""


class CannotLikeThis(BackupError):
    """What was asked for does not fit what is there; asking otherwise helps."""


class NotEmpty(CannotLikeThis):
    """There is something where the backup should be put."""


class WrongKey(CannotLikeThis):
    """The secret key is missing, or is another installation's."""
