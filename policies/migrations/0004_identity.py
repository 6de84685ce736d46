"""Invitations, the key that a rotation replaces, and the epoch that ends a person's sessions."""

from pathlib import Path

import django.db.models.functions.datetime
from django.conf import settings
from django.db import connections, migrations, models

APP = Path(__file__).resolve().parent.parent
ROLE = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
GRANTS = (APP / "identity/sql/invitations.sql").read_text(encoding="utf-8").replace(':"app"', ROLE)


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0003_changes'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='replaces',
            field=models.CharField(blank=True, default='', max_length=8),
        ),
        migrations.AddField(
            model_name='historicalapikey',
            name='replaces',
            field=models.CharField(blank=True, default='', max_length=8),
        ),
        migrations.AddField(
            model_name='user',
            name='session_epoch',
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.CharField(max_length=8, primary_key=True, serialize=False)),
                ('hash', models.BinaryField()),
                ('email', models.EmailField(max_length=254)),
                ('name', models.TextField(blank=True, default='')),
                ('teams', models.JSONField(default=list)),
                ('actor', models.TextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expires_at', models.DateTimeField()),
                ('accepted_at', models.DateTimeField(null=True)),
                ('withdrawn_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'policies_invitation',
                'constraints': [models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('withdrawn_at', None)), fields=('email',), name='policies_invitation_open')],
            },
        ),
        migrations.RunSQL(GRANTS),
    ]
