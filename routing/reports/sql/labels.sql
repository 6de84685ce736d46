-- What a decision's facts have of labels in the clear. Text that PostgreSQL cannot hold (a NUL) counts as not recorded.

-- The request's part of the facts; NULL where it cannot be held.
CREATE OR REPLACE FUNCTION routing_asked(p_facts bytea) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN position('\u0000' in convert_from(p_facts, 'UTF8')) = 0 THEN convert_from(p_facts, 'UTF8')::jsonb -> 'request' END
$$;

-- One label's value: '' where the call was made without any; chr(1) where labels were committed, so that nobody can say.
CREATE OR REPLACE FUNCTION routing_label(p_asked jsonb, p_name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(p_asked -> 'labels' ->> p_name, CASE WHEN p_asked ->> 'labelsCommitted' = '' THEN '' ELSE chr(1) END)
$$;
