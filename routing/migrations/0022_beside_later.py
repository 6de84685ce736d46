"""Shadow runs of calls that end later; links and verdicts go with the months of their calls."""

from pathlib import Path

from django.conf import settings
from django.db import connections, migrations, models

SQL = Path(__file__).resolve().parent.parent / "beside/sql"


def sql(name):
    """One file, with `:"app"` (as psql writes it) replaced by the application role."""
    role = connections["default"].ops.quote_name(settings.DATABASES["default"]["USER"])
    return migrations.RunSQL((SQL / name).read_text(encoding="utf-8").replace(':"app"', role), reverse_sql=migrations.RunSQL.noop)


def anew(name):
    """The functions of a file, in the place of those that are there."""
    text = (SQL / name).read_text(encoding="utf-8")
    return migrations.RunSQL(text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), reverse_sql=migrations.RunSQL.noop)


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0021_hours_corrected'),
    ]

    operations = [
        sql("due.sql"),
        migrations.SeparateDatabaseAndState(
            database_operations=[sql("months.sql"), anew("functions.sql")],
            state_operations=[
                migrations.RemoveConstraint(model_name='beside', name='routing_beside_once'),
                migrations.AddIndex(
                    model_name='beside',
                    index=models.Index(fields=['of', 'model'], name='routing_beside_of'),
                ),
            ],
        ),
    ]
