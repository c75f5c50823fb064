-- Each node: the table, protected as on one server, and where a router hands over the token of a transaction.
CREATE TABLE absence (
    tenant_id   text NOT NULL DEFAULT toms.current_tenant(),
    id          integer NOT NULL,
    employee_id integer NOT NULL,
    day         date NOT NULL,
    reason      toms.sealed_text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT toms.protect('absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health');
SELECT toms.permit('hr', 'absence', '{select,insert,update,delete}', '{absence_management}', scope => 'tenant');
SELECT toms.create_plain_view('absence', 'absence_plain');

-- It keeps nothing: the token is that of this transaction, and who forged it is refused here and now.
CREATE VIEW context AS SELECT NULL::text AS tenant_id, NULL::text AS token WHERE false;
CREATE FUNCTION take_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('toms.token', NEW.token, true);
    RETURN NULL;
END $$;
CREATE TRIGGER take_token INSTEAD OF INSERT ON context FOR EACH ROW EXECUTE FUNCTION take_token();
GRANT INSERT ON context TO hr;
