/*
 * convert.c - sealing and unsealing a column while the table is in use.
 *
 * Called by the triggers of toms.conversions, and by the functions in convert.sql.  Rows of all
 * tenants are rewritten, so no context could permit it.  The statement is run as PostgreSQL runs
 * the queries of foreign keys: as the table's owner in a security-restricted operation, with row
 * security not forced, which the guard lets pass at that level and none below.  Whatever code of
 * the owner's it meets (a CHECK, an index on an expression) runs with no more than his own rights,
 * and what that reads is policed as ever, also where an administrator who has stated a reason calls.
 * Triggers of the application do not run: the session replicates meanwhile, and what runs then
 * too is refused when a conversion begins.
 *
 * Where a row's tenant stands in its parent row, it is asked for first, by the bootstrap superuser.
 */
#include "seal/seal_int.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "base/debug_point.h"
#include "base/secret.h"
#include "base/system_settings.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(toms_seal_column_row);
PG_FUNCTION_INFO_V1(toms_unseal_column_row);
PG_FUNCTION_INFO_V1(toms_run_maintenance);
PG_FUNCTION_INFO_V1(toms_run_as_owner);
PG_FUNCTION_INFO_V1(toms_ask_all_rows);

/* The columns that the trigger's arguments name. */
typedef struct Conversion
{
	TupleDesc	desc;
	AttrNumber	from;
	AttrNumber	into;
	HeapTuple	row;
} Conversion;

static AttrNumber
column_named(TriggerData *trigger, const char *name)
{
	AttrNumber	number = get_attnum(RelationGetRelid(trigger->tg_relation), name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" is being converted, and is not there", name, RelationGetRelationName(trigger->tg_relation)),
				 errhint("Give it its name again, or drop the trigger \"%s\".", trigger->tg_trigger->tgname)));
	return number;
}

static Conversion
conversion_of(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Conversion	conversion;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("a trigger before each row was expected, with two columns")));
	conversion.desc = RelationGetDescr(trigger->tg_relation);
	conversion.from = column_named(trigger, trigger->tg_trigger->tgargs[0]);
	conversion.into = column_named(trigger, trigger->tg_trigger->tgargs[1]);
	conversion.row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	return conversion;
}

static HeapTuple
with_value(const Conversion *conversion, AttrNumber column, Datum value, bool isnull)
{
	int			number = column;

	return heap_modify_tuple_by_cols(conversion->row, conversion->desc, 1, &number, &value, &isnull);
}

/* A plain value of any type; what settings would print in one way or another is taken as it is. */
static TomsPlain
plain_of(TomsSealedType sealed, int32 typmod, Oid type, Datum value)
{
	Oid			base = getBaseType(type);
	Oid			output;
	bool		is_varlena;
	char	   *text;
	TomsPlain	plain;

	if (base == BOOLOID && sealed == TOMS_HEALTH_FLAG)
		return toms_plain_from_flag(DatumGetBool(value));
	if (base == DATEOID && sealed == TOMS_HEALTH_DATE)
		return toms_plain_from_date(DatumGetDateADT(value));
	if (base == BYTEAOID && sealed == TOMS_SEALED_BYTEA)
	{
		bytea	   *bytes = DatumGetByteaPP(value);

		return toms_plain_from_bytes(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	}
	getTypeOutputInfo(type, &output, &is_varlena);
	text = OidOutputFunctionCall(output, value);
	plain = toms_plain_from_text(sealed, text, strlen(text), typmod);
	toms_secret_wipe(text, strlen(text));
	return plain;
}

/* Comes before the trigger that binds values to their row. */
Datum
toms_seal_column_row(PG_FUNCTION_ARGS)
{
	Conversion	conversion = conversion_of(fcinfo);
	Form_pg_attribute from = TupleDescAttr(conversion.desc, conversion.from - 1);
	Form_pg_attribute into = TupleDescAttr(conversion.desc, conversion.into - 1);
	TomsSealedType type = toms_sealed_type(into->atttypid);
	bool		isnull;
	Datum		value = heap_getattr(conversion.row, conversion.from, conversion.desc, &isnull);
	TomsPlain	plain;
	struct varlena *sealed;

	if (isnull)
		return PointerGetDatum(with_value(&conversion, conversion.into, (Datum) 0, true));
	plain = plain_of(type, into->atttypmod, from->atttypid, value);
	sealed = toms_pending_seal(type, plain.bytes, plain.length);
	toms_plain_wipe(&plain);
	return PointerGetDatum(with_value(&conversion, conversion.into, PointerGetDatum(sealed), false));
}

/* False if its key has been destroyed. */
static bool
open_value(Datum value, Datum *plain)
{
	TomsEnvelope envelope;
	const TomsDataKey *key = NULL;
	uint8	   *bytes;
	bool		opens;

	if (!toms_envelope_read(PG_DETOAST_DATUM_PACKED(value), &envelope))
		toms_refuse_unreadable();
	if (envelope.key_id != 0)
	{
		key = toms_data_key_find(envelope.key_id);
		if (key == NULL)
			toms_refuse_unreadable();
		if (key->bytes == NULL)
			return false;
	}
	bytes = palloc(envelope.plain_length);
	opens = key ? toms_envelope_open(&envelope, key->bytes, bytes) : toms_pending_open(&envelope, bytes);
	if (!opens)
		toms_refuse_unreadable();
	*plain = toms_plain_to_datum(envelope.type, bytes, envelope.plain_length);
	toms_secret_wipe(bytes, envelope.plain_length);
	return true;
}

/*
 * Comes after the trigger that has seen to it that the value is of this row.  What cannot be
 * opened by anybody any more becomes NULL.
 */
Datum
toms_unseal_column_row(PG_FUNCTION_ARGS)
{
	Conversion	conversion = conversion_of(fcinfo);
	bool		isnull;
	Datum		value = heap_getattr(conversion.row, conversion.from, conversion.desc, &isnull);
	Datum		plain = (Datum) 0;

	if (!isnull && !open_value(value, &plain))
	{
		conversion.row = with_value(&conversion, conversion.from, (Datum) 0, true);
		isnull = true;
	}
	return PointerGetDatum(with_value(&conversion, conversion.into, plain, isnull));
}

/* toms.run_maintenance(statements) */
Datum
toms_run_maintenance(PG_FUNCTION_ARGS)
{
	toms_policy_run_as_superuser(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static int64
execute(const char *statement)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(statement, false, 0) < 0)
			elog(ERROR, "could not run a statement over all rows");
	}
	PG_CATCH();
	{
		toms_system_query_rethrow(caller);
	}
	PG_END_TRY();
	return SPI_processed;
}

/* Run a statement as "user", in the way that the head of this file tells; on error the transaction restores all. */
static int64
run_over_all(Oid user, const char *statement, char **first)
{
	int			level = toms_use_system_settings();
	MemoryContext caller = CurrentMemoryContext;
	Oid			former;
	int			secure;
	int64		count;

	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("toms.reason", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&former, &secure);
	SetUserIdAndSecContext(user, secure | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	count = execute(statement);
	if (first && count > 0)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		*first = value ? MemoryContextStrdup(caller, value) : NULL;
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	SetUserIdAndSecContext(former, secure);
	AtEOXact_GUC(true, level);
	return count;
}

/* toms.run_as_owner(relation, statement, tenant): of rows without a tenant column it is "tenant", unless empty */
Datum
toms_run_as_owner(PG_FUNCTION_ARGS)
{
	const TomsRelation *relation = toms_catalog_relation(PG_GETARG_OID(0));
	const char *tenant = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int64		count = 0;

	if (relation && *tenant)
		toms_row_give_tenant(relation->root, tenant);
	PG_TRY();
	{
		count = run_over_all(owner_of(PG_GETARG_OID(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), NULL);
	}
	PG_FINALLY();
	{
		toms_row_give_tenant(InvalidOid, NULL);
	}
	PG_END_TRY();
	TOMS_DEBUG_POINT("conversion-before-commit");
	PG_RETURN_INT64(count);
}

/*
 * toms.ask_all_rows(query): the first value of a query that runs no code of any table's owner.  It
 * reads several tables, which may be several owners'.
 */
Datum
toms_ask_all_rows(PG_FUNCTION_ARGS)
{
	char	   *value = NULL;

	TomsSystemQuery query = toms_system_query_begin();

	(void) run_over_all(BOOTSTRAP_SUPERUSERID, text_to_cstring(PG_GETARG_TEXT_PP(0)), &value);
	toms_system_query_end(query);
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

/* Whether the relation has a conversion of the column; NULL: of any. */
bool
toms_seal_is_converting(Oid relid, const char *column)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		found = false;

	for (int i = 0; rel && rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];

		if (strncmp(trigger->tgname, "~toms_fill_", 11) != 0 && strncmp(trigger->tgname, "~toms_unseal_", 13) != 0)
			continue;
		for (int j = 0; j < trigger->tgnargs; j++)
			found |= column == NULL || strcmp(trigger->tgargs[j], column) == 0;
	}
	if (rel)
		relation_close(rel, AccessShareLock);
	return found;
}
