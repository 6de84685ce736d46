"""An approval may be a signed review in Git, which counts once."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0010_place'),
    ]

    operations = [
        migrations.AddField(
            model_name='approval',
            name='attestation',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('attestation', ''), _negated=True), fields=('attestation', 'actor'), name='policies_change_attested_once'),
        ),
    ]
