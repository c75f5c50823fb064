/*
 * gate.c - finds out whether protected tables may be used, and reads what the log outside has for that.
 *
 * Called through guard/gate.c, in whichever session or worker looks first; by SQL of this slice.  The comparison itself
 * is SQL (gate.sql): it is made once after a start, and when something has changed.
 */
#include "rights/ledger_int.h"
#include "rights/rights.h"

#include <limits.h>
#include <sys/utsname.h>

#include "access/xact.h"
#include "audit/audit.h"
#include "base/debug_point.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guard/guard.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

static char *node = NULL;

PG_FUNCTION_INFO_V1(toms_outside_records);
PG_FUNCTION_INFO_V1(toms_outside_fault);
PG_FUNCTION_INFO_V1(toms_outside_other);
PG_FUNCTION_INFO_V1(toms_outside_write);
PG_FUNCTION_INFO_V1(toms_node_place);
PG_FUNCTION_INFO_V1(toms_audit_public_key);

/* looking --------------------------------------------------------------------------------- */

static TomsGate
ask(char problem[TOMS_GATE_PROBLEM_BYTES])
{
	TomsGate	gate;
	bool		isnull;
	char	   *text;

	if (SPI_execute("SELECT gate, problem FROM toms.judge_gate()", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not tell whether protected tables may be used");
	gate = (TomsGate) DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	strlcpy(problem, text ? text : "", TOMS_GATE_PROBLEM_BYTES);
	return gate;
}

/* Before the extension is complete, or while it is updated, there is nothing to be asked. */
static bool
can_be_asked(void)
{
	Oid			schema = get_namespace_oid("toms", true);

	return OidIsValid(schema) && !creating_extension && OidIsValid(get_relname_relid("ledger", schema));
}

static TomsGate
judge(char problem[TOMS_GATE_PROBLEM_BYTES])
{
	TomsGate	gate;
	Oid			user;
	int			security;
	int			level;

	if (!can_be_asked())
		return TOMS_GATE_OPEN;
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	level = toms_use_system_settings();
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	gate = ask(problem);
	SPI_finish();
	PopActiveSnapshot();
	AtEOXact_GUC(true, level);
	SetUserIdAndSecContext(user, security);
	return gate;
}

/* what the log outside has ----------------------------------------------------------------- */

static void
put_line(ReturnSetInfo *result, const TomsOutsideLine *line)
{
	char	   *text = pnstrdup(line->text, line->length);
	Datum		values[5];
	bool		nulls[5] = {false};
	bytea	   *key = palloc(VARHDRSZ + TOMS_PUBLIC_KEY_BYTES);

	SET_VARSIZE(key, VARHDRSZ + TOMS_PUBLIC_KEY_BYTES);
	memcpy(VARDATA(key), line->key, TOMS_PUBLIC_KEY_BYTES);
	values[0] = Int64GetDatum(line->n);
	values[1] = CStringGetTextDatum(line->type);
	values[2] = CStringGetTextDatum(pg_any_to_server(text, line->length, PG_UTF8));
	values[3] = BoolGetDatum(toms_outside_signed(line));
	values[4] = PointerGetDatum(key);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* toms.outside_records(dataset): those that are not of blocks */
Datum
toms_outside_records(PG_FUNCTION_ARGS)
{
	TomsOutsideReader *reader;
	TomsOutsideLine line;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "toms record of the outside log", ALLOCSET_SMALL_SIZES);

	InitMaterializedSRF(fcinfo, 0);
	reader = toms_outside_read(PG_GETARG_UUID_P(0)->data);
	if (reader)
		toms_outside_skip_blocks(reader);
	while (reader && toms_outside_next(reader, &line))
	{
		MemoryContext before = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		/* what a crash left of a line is no record */
		if (line.whole && strcmp(line.type, "block") != 0)
			put_line((ReturnSetInfo *) fcinfo->resultinfo, &line);
		MemoryContextSwitchTo(before);
		MemoryContextReset(context);
	}
	if (reader)
		toms_outside_end(reader);
	return (Datum) 0;
}

/* toms.outside_fault(): "" where toms.outside is not set, null where nothing is wrong */
Datum
toms_outside_fault(PG_FUNCTION_ARGS)
{
	char	   *problem;

	if (!toms_outside_configured())
		PG_RETURN_TEXT_P(cstring_to_text(""));
	problem = toms_outside_problem(false);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* toms.outside_other(dataset): another one that a log of this database is of; the argument may be null */
Datum
toms_outside_other(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *found = palloc(sizeof(pg_uuid_t));

	if (!toms_outside_configured() || toms_outside_problem(false) || !toms_outside_find(PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0)->data, found->data))
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(found);
}

/* toms.outside_write(type, members): a record, now, whatever becomes of this transaction */
Datum
toms_outside_write(PG_FUNCTION_ARGS)
{
	int			level = toms_use_system_settings();
	uint8		dataset[16];
	TomsOutside *log;
	char	   *members = text_to_cstring(PG_GETARG_TEXT_PP(1));

	SPI_connect();
	toms_guard_trail_used();
	toms_block_lock();
	toms_guard_trail_work(true);
	toms_dataset_make(dataset);
	toms_guard_trail_work(false);
	log = toms_outside_open(dataset);
	toms_outside_add(log, text_to_cstring(PG_GETARG_TEXT_PP(0)), pg_server_to_any(members, strlen(members), PG_UTF8));
	toms_outside_close(log);
	SPI_finish();
	AtEOXact_GUC(true, level);
	TOMS_DEBUG_POINT("ledger-before-settled");
	PG_RETURN_VOID();
}

/* toms.audit_public_key(): null where the keyring has none at hand */
Datum
toms_audit_public_key(PG_FUNCTION_ARGS)
{
	bytea	   *key = palloc(VARHDRSZ + TOMS_PUBLIC_KEY_BYTES);

	SET_VARSIZE(key, VARHDRSZ + TOMS_PUBLIC_KEY_BYTES);
	if (!toms_audit_key((uint8 *) VARDATA(key)))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(key);
}

/* the node --------------------------------------------------------------------------------- */

/* toms.node_place(): host and data directory: a copy is elsewhere, also where it has the same settings. */
Datum
toms_node_place(PG_FUNCTION_ARGS)
{
	struct utsname host;
	char		path[PATH_MAX];

	if (uname(&host) != 0 || realpath(DataDir, path) == NULL)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not tell where this node is: %m")));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s:%s", host.nodename, path)));
}

void
toms_rights_gate_init(void)
{
	DefineCustomStringVariable("toms.node",
							   "Name of this node, where nodes have been named that work with the data.",
							   "Set outside of the data directory, so that a copy of it has another one.",
							   &node, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	toms_gate_judge = judge;
}
