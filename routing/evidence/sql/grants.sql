-- A bundle's row stays; its sealed pieces go when it expires.
GRANT SELECT, INSERT, UPDATE ON routing_evidence TO :"app";
GRANT SELECT, INSERT, DELETE ON routing_evidence_part TO :"app";
