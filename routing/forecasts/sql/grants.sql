GRANT SELECT, INSERT, UPDATE, DELETE ON routing_budget_day TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON routing_forecast TO :"app";
GRANT SELECT, INSERT ON routing_forecast_mark TO :"app";
GRANT DELETE ON routing_delivery TO :"app";
