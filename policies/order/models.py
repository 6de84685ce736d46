"""The control row."""

from django.db import models


class Control(models.Model):
    """Exactly one row, id 1: the revision in force (0 before `init`), its digest, and the stop epoch.

    Admission and the start of an attempt read it after they took the shared order lock; it changes under the exclusive one only.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    revision = models.BigIntegerField(default=0)
    digest = models.BinaryField(default=b"")
    stop_epoch = models.BigIntegerField(default=0)

    class Meta:
        db_table = "policies_control"
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="policies_control_is_one")
        ]
