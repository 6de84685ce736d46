GRANT SELECT, INSERT, UPDATE ON routing_anomaly TO :"app";
