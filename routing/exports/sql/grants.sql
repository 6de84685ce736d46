-- A file of figures that somebody asked for: its row stays, its pieces go when it expires. No content is in it.
GRANT SELECT, INSERT, UPDATE ON routing_export TO :"app";
GRANT SELECT, INSERT, DELETE ON routing_export_part TO :"app";
