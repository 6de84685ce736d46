-- A report by label groups calls by the bytes of their labels first, and reads a label's value once for each group: to read it
-- call by call took most of a year's page. The bytes of a decision's facts are canonical JSON, so a quote inside a string is
-- escaped and the marks below can stand in one place only: no other member that ends in `request"` or `labels"` and no string
-- is followed by an object's beginning, and in an object of strings no `}` stands before a comma outside a string, nor a name
-- after a string that ends in `},`.

DROP FUNCTION routing_label(bytea, text);
DROP FUNCTION routing_labelled(bytea);

-- The labels in the clear, up to the first character of the commitment to the others; NULL where these facts have no request.
CREATE FUNCTION routing_labels(p_facts bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  asked bytea := substring(p_facts FROM nullif(position('"request":{'::bytea IN p_facts), 0));
  labels bytea := substring(asked FROM nullif(position('"labels":{'::bytea IN asked), 0) + 10);
BEGIN
  RETURN substring(labels FOR position('},"labelsCommitted":"'::bytea IN labels) + 21);
END $$;

-- One label's value among them: '' where the call was made without any; chr(1) where labels were committed, or where
-- PostgreSQL cannot hold them (a NUL), so that nobody can say.
CREATE FUNCTION routing_label(p_labels bytea, p_name text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  told text := convert_from(p_labels, 'UTF8');
  labels text := split_part(told, '},"labelsCommitted":"', 1);
  without text := CASE WHEN split_part(told, '},"labelsCommitted":"', 2) = '"' THEN '' ELSE chr(1) END;
BEGIN
  IF p_labels IS NULL THEN
    RETURN chr(1);
  ELSIF labels = '' THEN
    RETURN without;
  ELSIF position('\u0000' IN labels) > 0 THEN
    RETURN chr(1);
  END IF;
  RETURN coalesce(('{' || labels || '}')::jsonb ->> p_name, without);
END $$;
