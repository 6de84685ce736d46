-- One record a stage; `no` counts them within the call. Months are attached by make_month.
CREATE TABLE policies_decision (
    call     uuid     NOT NULL,
    revision bigint   NOT NULL,
    no       smallint NOT NULL,
    stage    text     NOT NULL CONSTRAINT policies_decision_stage CHECK (stage IN ('request', 'tool', 'response', 'failure')),
    tenant   text     NOT NULL,
    effect   text     NOT NULL CONSTRAINT policies_decision_effect CHECK (effect IN ('permit', 'deny', 'escalate')),
    digest   bytea    NOT NULL,
    facts    bytea    NOT NULL,
    PRIMARY KEY (call, no)
) PARTITION BY RANGE (call);
