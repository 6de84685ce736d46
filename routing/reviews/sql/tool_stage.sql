-- A case may be of stage `tool`: an answer waits since it asks for a tool.
ALTER TABLE routing_review_case DROP CONSTRAINT routing_review_case_stage_check;
ALTER TABLE routing_review_case ADD CONSTRAINT routing_review_case_stage_check
  CHECK (stage IN ('request', 'response', 'tool', 'failure', 'sample'));
