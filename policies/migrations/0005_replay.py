"""Replays of recorded decisions, and their samples."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
import policies.order.ids
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "replay/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0004_identity'),
    ]

    operations = [
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('what', models.TextField()),
                ('change', models.UUIDField(null=True)),
                ('tenant', models.TextField(blank=True, default='')),
                ('title', models.TextField(blank=True, default='')),
                ('away', models.JSONField(default=dict)),
                ('base', models.BigIntegerField()),
                ('base_digest', models.TextField()),
                ('content', models.TextField(blank=True, default='')),
                ('draft', models.BinaryField(null=True)),
                ('draft_checked', models.BinaryField(null=True)),
                ('days', models.IntegerField()),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('actor', models.TextField()),
                ('state', models.TextField(default='queued')),
                ('worker', models.UUIDField(null=True)),
                ('tries', models.IntegerField(default=0)),
                ('beat_at', models.DateTimeField(null=True)),
                ('cursor', models.UUIDField(null=True)),
                ('partial', models.BinaryField(null=True)),
                ('done', models.BigIntegerField(default=0)),
                ('result', models.TextField(blank=True, default='')),
                ('digest', models.TextField(blank=True, default='')),
                ('told', models.TextField(blank=True, default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'policies_replay',
                'indexes': [models.Index(fields=['change', 'id'], name='policies_replay_change'), models.Index(condition=models.Q(('state__in', ('queued', 'running'))), fields=['id'], name='policies_replay_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ('queued', 'running', 'done', 'cancelled', 'broken'))), name='policies_replay_state'), models.CheckConstraint(condition=models.Q(('what__in', ('change', 'drill'))), name='policies_replay_what')],
            },
        ),
        migrations.CreateModel(
            name='ReplaySample',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('tenant', models.TextField()),
                ('team', models.TextField()),
                ('kind', models.TextField()),
                ('call', models.UUIDField()),
                ('route', models.TextField()),
                ('before', models.TextField()),
                ('after', models.TextField()),
                ('rule', models.TextField()),
                ('cost_nano', models.BigIntegerField(null=True)),
                ('replay', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='samples', to='policies.replay')),
            ],
            options={
                'db_table': 'policies_replay_sample',
                'indexes': [models.Index(fields=['replay', 'kind', 'id'], name='policies_replay_sample_kind')],
            },
        ),
        migrations.RunSQL(GRANTS),
    ]
