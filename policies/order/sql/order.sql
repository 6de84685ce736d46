-- The order lock. Taken as the first thing of a READ COMMITTED transaction that has no transaction id yet, it makes
-- order in the log, (xid, id), the order of effect. Revision and stop epoch are read in a *later* statement.
CREATE FUNCTION order_refuse_late() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'the order lock comes first: this transaction has already written' USING ERRCODE = 'MD001';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the order lock needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'MD001';
    END IF;
END
$$;

CREATE FUNCTION order_shared() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL
       OR current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM order_refuse_late();
    END IF;
    PERFORM pg_advisory_xact_lock_shared(7001, 1);
END
$$;

CREATE FUNCTION order_exclusive() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM order_refuse_late();
    PERFORM pg_advisory_xact_lock(7001, 1);
END
$$;
