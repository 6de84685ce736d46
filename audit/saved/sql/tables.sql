-- Filters of the audit explorer that a member keeps. No evidence: a view of the log, which anybody who reads the log may open.
CREATE TABLE audit_saved_view (
  id uuid PRIMARY KEY,
  owner text NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  query text NOT NULL CHECK (length(query) BETWEEN 1 AND 2000),
  created_at timestamptz NOT NULL,
  CONSTRAINT audit_saved_view_name UNIQUE (owner, name)
);
GRANT SELECT, INSERT, DELETE ON audit_saved_view TO :"app";
