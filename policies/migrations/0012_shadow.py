"""Drafts that decide beside the bundle in force for a while."""

from pathlib import Path

import django.db.models.deletion
import policies.order.ids
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "changes/sql/shadow.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0011_attested'),
    ]

    operations = [
        migrations.CreateModel(
            name='Shadow',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('tenant', models.TextField(blank=True, default='')),
                ('base', models.BigIntegerField()),
                ('content', models.TextField()),
                ('draft', models.BinaryField()),
                ('draft_checked', models.BinaryField()),
                ('actor', models.TextField()),
                ('started_at', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('cursor', models.UUIDField(null=True)),
                ('steps', models.BigIntegerField(default=0)),
                ('tally', models.BinaryField()),
                ('told', models.TextField(blank=True, default='')),
                ('ended_at', models.DateTimeField(null=True)),
                ('change', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shadows', to='policies.changerequest')),
            ],
            options={
                'db_table': 'policies_change_shadow',
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('change',), name='policies_change_shadow_one')],
            },
        ),
        migrations.RunSQL(GRANTS),
    ]
