"""The tables of forecasts. The job writes them; pages and the API read."""

from django.db import models
from django.db.models.functions import Now

_SAID = ("made_at", "expected_nano", "low_nano", "high_nano", "limit_on", "error_permille")
COLUMNS = (*_SAID, "tried", "held", "method")
"""What a forecast says, beside which window it is about."""


class BudgetDay(models.Model):
    """What one window's calls cost (posted and overrun) on one day in its budget's time zone; none for a day without spend."""

    pk = models.CompositePrimaryKey("window", "day")
    window = models.BigIntegerField()
    day = models.DateField()
    spent_nano = models.BigIntegerField()

    class Meta:
        """Its table."""

        db_table = "routing_budget_day"

    def __str__(self) -> str:
        return f"{self.window} on {self.day}"


class Forecast(models.Model):
    """What an open window will have cost at its end, as last made. Money in nano units.

    `tried` past periods had the same method tried on them, `held` stayed in the range, `error_permille` is how far off it was
    on average. `limit_on` is the day on which the limit would be reached.
    """

    window = models.BigIntegerField(primary_key=True)
    made_at = models.DateTimeField(db_default=Now())
    expected_nano = models.BigIntegerField()
    low_nano = models.BigIntegerField()
    high_nano = models.BigIntegerField()
    limit_on = models.DateField(null=True)
    error_permille = models.BigIntegerField(null=True)
    tried = models.SmallIntegerField(default=0)
    held = models.SmallIntegerField(default=0)
    method = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_forecast"

    def __str__(self) -> str:
        return f"{self.window}: {self.method} {self.expected_nano}"
