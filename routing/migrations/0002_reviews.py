"""Review cases and what people decided about them. The SQL lies in `routing/reviews/sql/`."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent


def sql(path):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((APP / path).read_text(encoding="utf-8").replace(':"app"', role))


class Migration(migrations.Migration):
    dependencies = [("routing", "0001_initial")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("reviews/sql/tables.sql"), sql("reviews/sql/functions.sql")],
            state_operations=[
                migrations.CreateModel(
                    name='ReviewCase',
                    fields=[
                        ('id', models.UUIDField(primary_key=True, serialize=False)),
                        ('call', models.UUIDField()),
                        ('revision', models.BigIntegerField()),
                        ('opened_at', models.DateTimeField()),
                        ('due_at', models.DateTimeField()),
                        ('closed_at', models.DateTimeField(null=True)),
                        ('claimed_until', models.DateTimeField(null=True)),
                        ('approvals', models.SmallIntegerField()),
                        ('version', models.SmallIntegerField()),
                        ('round', models.SmallIntegerField()),
                        ('stage', models.TextField()),
                        ('outcome', models.TextField()),
                        ('on_overdue', models.TextField()),
                        ('tenant', models.TextField()),
                        ('team', models.TextField()),
                        ('key', models.TextField()),
                        ('route', models.TextField()),
                        ('queue', models.TextField()),
                        ('queue_tenant', models.TextField()),
                        ('escalate_to', models.TextField()),
                        ('came_from', models.TextField()),
                        ('claimed_by', models.TextField()),
                        ('message', models.TextField()),
                        ('rules', models.JSONField()),
                    ],
                    options={
                        'db_table': 'routing_review_case',
                        'indexes': [models.Index(fields=['call'], name='routing_review_case_call'), models.Index(condition=models.Q(('closed_at__isnull', True)), fields=['due_at'], name='routing_review_case_due'), models.Index(fields=['tenant', 'id'], name='routing_review_case_tenant')],
                        'constraints': [models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True), models.Q(('stage', 'sample'), _negated=True)), fields=('call',), name='routing_review_case_held'), models.UniqueConstraint(condition=models.Q(('stage', 'sample')), fields=('call', 'queue_tenant', 'queue'), name='routing_review_case_sample')],
                    },
                ),
                migrations.CreateModel(
                    name='ReviewDecision',
                    fields=[
                        ('pk', models.CompositePrimaryKey('review_id', 'no', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('decided_at', models.DateTimeField()),
                        ('no', models.SmallIntegerField()),
                        ('version', models.SmallIntegerField()),
                        ('round', models.SmallIntegerField()),
                        ('verdict', models.TextField()),
                        ('actor', models.TextField()),
                        ('reason', models.TextField()),
                        ('review', models.ForeignKey(db_column='review', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='routing.reviewcase')),
                    ],
                    options={
                        'db_table': 'routing_review_decision',
                    },
                ),
            ],
        ),
    ]
