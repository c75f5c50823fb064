/*
 * export.c - rows of one tenant that leave the database: which, read as their table's owner, and that it is recorded.
 *
 * Called by SQL of this slice alone.  What one statement finds and reads is of that statement's snapshot: nothing here
 * takes a newer one, or locks a row.  Nothing is kept between calls.
 */
#include "rights/rights.h"

#include "base/system_settings.h"
#include "catalog/catalog.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "retention/retention.h"
#include "trail/trail.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_find_portions);
PG_FUNCTION_INFO_V1(toms_read_portion);
PG_FUNCTION_INFO_V1(toms_note_export);

/* finding -------------------------------------------------------------------------------- */

/* The places of the rows that a cursor has fetched. */
static Datum
portion(void)
{
	Datum	   *places = palloc(SPI_processed * sizeof(Datum));
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(TIDOID, &length, &by_value, &align);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		places[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	}
	return PointerGetDatum(construct_array(places, (int) SPI_processed, TIDOID, length, by_value, align));
}

static void
find(const char *query, int most, ReturnSetInfo *result)
{
	SPIPlanPtr	plan = SPI_prepare(query, 0, NULL);
	Portal		cursor;

	if (plan == NULL)
		elog(ERROR, "could not look for the rows of an export");
	cursor = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	for (;;)
	{
		Datum		value;
		bool		isnull = false;

		SPI_cursor_fetch(cursor, true, most);
		if (SPI_processed == 0)
			break;
		value = portion();
		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
		pfree(DatumGetPointer(value));
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(cursor);
}

/*
 * toms.find_portions(part, condition, most): the places of the rows of one table, of whichever tenant, that satisfy a
 * condition on "t", so many at once.  As toms.ask_all_rows() it runs no code of any table's owner.
 */
Datum
toms_find_portions(PG_FUNCTION_ARGS)
{
	char	   *query = psprintf("SELECT t.ctid FROM ONLY %s t WHERE %s", toms_relation_name(PG_GETARG_OID(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	MemoryContext caller = CurrentMemoryContext;
	TomsSystemQuery system;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	system = toms_system_query_begin();
	(void) set_config_option("toms.reason", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	PG_TRY();
	{
		SPI_connect();
		find(query, Max(PG_GETARG_INT32(2), 1), (ReturnSetInfo *) fcinfo->resultinfo);
		SPI_finish();
	}
	PG_CATCH();
	{
		toms_system_query_rethrow(caller);
	}
	PG_END_TRY();
	toms_system_query_end(system);
	PG_RETURN_NULL();
}

/* reading -------------------------------------------------------------------------------- */

/* The statement's only row: a text, and of how many rows it is made. */
static text *
take(const char *name, int asked, MemoryContext memory)
{
	MemoryContext old;
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	int64		done = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &(bool) {false}));
	text	   *copy;

	if (done != asked)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a policy of table %s keeps rows from an export", name),
				 errdetail("%d rows were asked for, %d were seen.", asked, (int) done),
				 errhint("SELECT polname FROM pg_policy WHERE polrelid = '%s'::regclass;", name)));
	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(memory);
	copy = DatumGetTextPCopy(value);
	MemoryContextSwitchTo(old);
	return copy;
}

/*
 * toms.read_portion(part, tenant, rows, expression, separator): what an expression of type text on "t" is for rows of a
 * tenant, in one text; as the table's owner, toms.reveal() opens what is sealed.
 */
Datum
toms_read_portion(PG_FUNCTION_ARGS)
{
	Oid			part = PG_GETARG_OID(0);
	ArrayType  *rows = PG_GETARG_ARRAYTYPE_P(2);
	const TomsRelation *relation = toms_catalog_relation(part);
	char	   *name = pstrdup(toms_relation_name(part));
	MemoryContext memory = CurrentMemoryContext;
	Oid			types[] = {TIDARRAYOID, TEXTOID};
	Datum		arguments[] = {PointerGetDatum(rows), PG_GETARG_DATUM(4)};
	char	   *statement;
	TomsOwnerWork work;
	text	   *read;

	if (relation == NULL || relation->is_undeclared)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not protected", name)));
	statement = psprintf("SELECT pg_catalog.string_agg((%s)::pg_catalog.text, $2), pg_catalog.count(*) FROM ONLY %s t WHERE t.ctid = ANY ($1)",
						 text_to_cstring(PG_GETARG_TEXT_PP(3)), name);
	SPI_connect();
	work = toms_owner_begin(part, relation->root, text_to_cstring(PG_GETARG_TEXT_PP(1)), TOMS_RIGHTS_PURPOSE);
	if (SPI_execute_with_args(statement, lengthof(types), types, arguments, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read rows for an export");
	toms_owner_end(work);
	read = take(name, ArrayGetNItems(ARR_NDIM(rows), ARR_DIMS(rows)), memory);
	SPI_finish();
	if (read == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(read);
}

/* recording ------------------------------------------------------------------------------ */

/*
 * toms.note_export(tenant, subject, relation, details): durable when it returns, whatever becomes of the transaction.
 * The subject is NULL if it is of many, the relation 0 if of none in particular.
 */
Datum
toms_note_export(PG_FUNCTION_ARGS)
{
	TomsEvent	event = {.kind = TOMS_ENTRY_READ,.verb = TOMS_VERB_EXPORT,.strict = true};
	char	   *details;
	Oid			user;
	int			security;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		elog(ERROR, "an export has a tenant, a table and details");
	details = DatumGetCString(DirectFunctionCall1(jsonb_out, PG_GETARG_DATUM(3)));
	details[strlen(details) - 1] = '\0';
	event.relid = PG_GETARG_OID(2);
	event.subject = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	event.details = details + 1;
	/* of who has asked, not of the functions' owner */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(GetOuterUserId(), security | SECURITY_LOCAL_USERID_CHANGE);
	toms_context_begin_work(text_to_cstring(PG_GETARG_TEXT_PP(0)), TOMS_RIGHTS_PURPOSE, InvalidOid);
	(void) toms_event_add(&event);
	toms_context_end_work();
	SetUserIdAndSecContext(user, security);
	PG_RETURN_VOID();
}
