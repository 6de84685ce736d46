"""A plan that is not handed in is replayed too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policies", "0013_needs_entry")]
    operations = [
        migrations.RemoveConstraint("Replay", "policies_replay_what"),
        migrations.AddConstraint(
            "Replay",
            models.CheckConstraint(
                condition=models.Q(what__in=("change", "drill", "plan")), name="policies_replay_what"
            ),
        ),
    ]
