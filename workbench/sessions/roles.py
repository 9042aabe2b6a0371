"""The roles in a session."""

from django.db import models


class Role(models.TextChoices):
    """Each role includes the permissions of those before it."""

    VIEWER = "viewer"  # reads
    COMMENTER = "commenter"  # writes comments
    EDITOR = "editor"  # changes notes and layout, starts runs
    OWNER = "owner"  # shares, changes the owner, deletes

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def allows(self, needed: "Role") -> bool:
        return self.rank >= needed.rank


LINK_ROLES = (Role.VIEWER, Role.COMMENTER, Role.EDITOR)
