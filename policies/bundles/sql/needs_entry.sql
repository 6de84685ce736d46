-- No version of a document, and no bundle, without the entry that says so in the same transaction. Looked at when it commits:
-- whatever wrote the row, and in whichever order. Error: MD012.

CREATE FUNCTION document_needs_entry() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  row record := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF EXISTS (SELECT FROM entries_here('bundle.activated')) OR EXISTS (SELECT FROM entries_here('document.taken-over'))
     OR EXISTS (SELECT FROM entries_here('document.handed-over')) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% % was written without its entry', row.kind, row.name USING ERRCODE = 'MD012';
END $$;

CREATE FUNCTION bundle_needs_entry() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF EXISTS (SELECT FROM entries_here('bundle.activated') AS e (body) WHERE (convert_from(body, 'UTF8')::json -> 'data' ->> 'revision', convert_from(body, 'UTF8')::json -> 'data' ->> 'digest')
                    = (NEW.revision::text, encode(NEW.digest, 'hex'))) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'revision % was written without its entry', NEW.revision USING ERRCODE = 'MD012';
END $$;

CREATE CONSTRAINT TRIGGER needs_entry AFTER INSERT OR UPDATE OR DELETE ON policies_document
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION document_needs_entry();
CREATE CONSTRAINT TRIGGER needs_entry AFTER INSERT OR UPDATE OR DELETE ON policies_document_history
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION document_needs_entry();
CREATE CONSTRAINT TRIGGER needs_entry AFTER INSERT ON policies_bundle
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bundle_needs_entry();
ALTER TABLE policies_document ENABLE ALWAYS TRIGGER needs_entry;
ALTER TABLE policies_document_history ENABLE ALWAYS TRIGGER needs_entry;
ALTER TABLE policies_bundle ENABLE ALWAYS TRIGGER needs_entry;
