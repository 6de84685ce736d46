"""Where Git keeps a document, and from which folder a change request came."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0009_sessions'),
    ]

    operations = [
        migrations.AddField(
            model_name='changerequest',
            name='source',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddField(
            model_name='document',
            name='place',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddField(
            model_name='edit',
            name='place',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddField(
            model_name='historicaldocument',
            name='place',
            field=models.TextField(blank=True, default=''),
        ),
    ]
