-- Findings of the log's own checks that a person has looked at: with the reason, until a whole check no longer finds them. The
-- entry `finding.acknowledged` is the evidence; this row only says that the alarm has been heard.
CREATE TABLE audit_acknowledged (
  at timestamptz NOT NULL,
  log smallint NOT NULL,
  finding text NOT NULL,
  actor text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (log, finding)
);
GRANT SELECT, INSERT, DELETE ON audit_acknowledged TO :"app";
