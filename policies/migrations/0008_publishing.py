"""What an approval binds and from when, why a scheduled change was held back, and changes that one person published alone."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
import policies.order.ids
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "changes/sql/glass.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0007_check_found'),
    ]

    operations = [
        migrations.AddField(
            model_name='approval',
            name='replay',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddField(
            model_name='changerequest',
            name='binds_from',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='changerequest',
            name='held_back',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.CreateModel(
            name='Glass',
            fields=[
                ('id', models.UUIDField(default=policies.order.ids.new_id, primary_key=True, serialize=False)),
                ('tenant', models.TextField(blank=True, default='')),
                ('actor', models.TextField()),
                ('roles', models.JSONField(default=list)),
                ('reason', models.TextField()),
                ('revision', models.BigIntegerField()),
                ('broken_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('verdict', models.TextField(blank=True, default='')),
                ('note', models.TextField(blank=True, default='')),
                ('reviewed_by', models.TextField(blank=True, default='')),
                ('reviewed_at', models.DateTimeField(null=True)),
                ('undone_by', models.UUIDField(null=True)),
                ('change', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='glass', to='policies.changerequest')),
            ],
            options={
                'db_table': 'policies_change_glass',
                'constraints': [models.CheckConstraint(condition=models.Q(('verdict__in', ('', 'confirmed', 'taken back'))), name='policies_change_glass_verdict'), models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), _negated=True), models.Q(('reviewed_by', models.F('actor')), _negated=True)), name='policies_change_glass_other')],
            },
        ),
        migrations.RunSQL(GRANTS),
    ]
