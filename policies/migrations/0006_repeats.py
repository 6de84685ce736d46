"""Idempotency-Keys are kept as hashes, and an answer's secret sealed beside it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0005_replay'),
    ]

    operations = [
        migrations.AddField(
            model_name='repeat',
            name='secret',
            field=models.TextField(default=''),
        ),
        migrations.AddField(
            model_name='repeat',
            name='sealed',
            field=models.BinaryField(null=True),
        ),
        migrations.AddIndex(
            model_name='repeat',
            index=models.Index(fields=['created_at'], name='policies_repeat_age'),
        ),
        migrations.RunSQL("UPDATE policies_repeat SET key = encode(sha256(convert_to(key, 'UTF8')), 'hex')"),
    ]
