"""What PolicyTests and analysis found, with the check that ran them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0006_repeats'),
    ]

    operations = [
        migrations.AddField(
            model_name='check',
            name='found',
            field=models.JSONField(default=dict),
        ),
    ]
