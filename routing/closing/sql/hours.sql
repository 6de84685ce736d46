-- Another kind of adjustment: a share of hours that falls otherwise by now; `microhours` move with its amount.
ALTER TABLE routing_adjustment
  ADD COLUMN microhours bigint NOT NULL DEFAULT 0,
  DROP CONSTRAINT routing_adjustment_kind_check,
  ADD CONSTRAINT routing_adjustment_kind_check
    CHECK (kind IN ('late-usage', 'price-correction', 'credit', 'invoice-difference', 'hours-correction'));
