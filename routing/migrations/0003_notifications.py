"""What Notification documents send, how far the log was read for it, and the marks that budgets have passed."""

from pathlib import Path

import django.db.models.functions.datetime
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "notifications/sql/grants.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0002_reviews'),
    ]

    operations = [
        migrations.CreateModel(
            name='BudgetMark',
            fields=[
                ('pk', models.CompositePrimaryKey('window', 'percent', blank=True, editable=False, primary_key=True, serialize=False)),
                ('window', models.BigIntegerField()),
                ('percent', models.SmallIntegerField()),
                ('passed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'routing_budget_mark',
            },
        ),
        migrations.CreateModel(
            name='Notified',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('xid', models.BigIntegerField()),
                ('entry', models.UUIDField()),
            ],
            options={
                'db_table': 'routing_notified',
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('next_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('tries', models.SmallIntegerField(default=0)),
                ('tenant', models.TextField()),
                ('document', models.TextField()),
                ('event', models.TextField()),
                ('occurrence', models.TextField()),
                ('way', models.TextField()),
                ('target', models.TextField()),
                ('credential', models.TextField(default='')),
                ('state', models.TextField(default='waiting')),
                ('error', models.TextField(default='')),
                ('told', models.JSONField()),
            ],
            options={
                'db_table': 'routing_delivery',
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['next_at'], name='routing_delivery_due'), models.Index(fields=['tenant', 'id'], name='routing_delivery_tenant')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'document', 'event', 'occurrence'), name='routing_delivery_once')],
            },
        ),
        migrations.RunSQL(GRANTS),
    ]
