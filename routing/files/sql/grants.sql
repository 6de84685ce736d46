-- The row of a file that somebody asked for stays; its pieces go when it expires.
GRANT SELECT, INSERT, UPDATE ON routing_file TO :"app";
GRANT SELECT, INSERT, DELETE ON routing_file_part TO :"app";
