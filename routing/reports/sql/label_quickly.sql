-- A label's value from the bytes of a decision's facts, without reading all of them as JSON: a report asks for it call by call.
-- The bytes are canonical JSON, so a quote inside a string is escaped and the marks below can stand in one place only: no
-- other member that ends in `request"` or `labels"` and no string is followed by an object's beginning, and in an object of
-- strings no `}` stands before a comma outside a string, nor a name after a string that ends in `},`.

-- From the first label on; '' where these facts have no request.
CREATE OR REPLACE FUNCTION routing_labelled(p_facts bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT split_part(convert_from(substring(p_facts FROM nullif(position('"request":{'::bytea IN p_facts), 0)), 'UTF8'), '"labels":{', 2)
$$;

-- One label's value: '' where the call was made without any; chr(1) where labels were committed, or where PostgreSQL cannot
-- hold them (a NUL), so that nobody can say.
CREATE OR REPLACE FUNCTION routing_label(p_facts bytea, p_name text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  told text := routing_labelled(p_facts);
  labels text := split_part(told, '},"labelsCommitted":"', 1);
  without text := CASE WHEN split_part(told, '},"labelsCommitted":"', 2) LIKE '"%' THEN '' ELSE chr(1) END;
BEGIN
  IF labels = '' THEN
    RETURN without;
  ELSIF position('\u0000' IN labels) > 0 THEN
    RETURN chr(1);
  END IF;
  RETURN coalesce(('{' || labels || '}')::jsonb ->> p_name, without);
END $$;

-- what parsed all of the facts for it
DROP FUNCTION routing_label(jsonb, text);
DROP FUNCTION routing_asked(bytea);
