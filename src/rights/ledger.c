/*
 * ledger.c - before something is destroyed: a row of toms.ledger and a line outside of the database say so.
 *
 * Called by whatever erases, in its own transaction.  Both are written by a background worker, whose transactions are
 * committed whatever becomes of the caller's: first the row, then the line.  So where there is a line without its row the
 * database is older than the line; and a row whose transaction came to nothing is told from one that was lost.
 *
 * Where toms.outside is not set erasing goes on, with a warning: nobody is to be denied his right for want of a
 * directory.  The row is there, and its line is written once the setting is.
 */
#include "rights/ledger_int.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "audit/audit.h"
#include "base/background.h"
#include "base/debug_point.h"
#include "base/system_settings.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "trail/trail.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(toms_ledger_intend);
PG_FUNCTION_INFO_V1(toms_ledger_done);

extern PGDLLEXPORT void toms_ledger_main(Datum handle);

/* What lies in the segment of shared memory. */
typedef struct Task
{
	TomsBackgroundTask common;
	TomsLedgerIntent intent;
} Task;

/* the caller ------------------------------------------------------------------------------ */

static char *
column(int number)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number);
}

/* What is erased before it is known whether the database was restored would be told of another state. */
static void
require_open(void)
{
	if (!toms_gate_is_open() && !toms_gate_is_passed())
		toms_guard_refuse_closed(InvalidOid);
}

/* A new one where lines were written with another one would make nobody of whom those tell. */
static void
require_key(void)
{
	bool		isnull;

	if (toms_keyring_seed(TOMS_LEDGER_KEY))
		return;
	if (SPI_execute("SELECT toms.ledger_is_begun()", false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not tell whether the erasure ledger has been begun");
	if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)))
		toms_ledger_refuse_without_key();
	toms_keyring_create(TOMS_LEDGER_KEY);
}

/* SPI is connected; the key is there. */
static void
describe(TomsLedgerIntent *intent, int64 erasure)
{
	Datum		value = Int64GetDatum(erasure);
	char	   *subject;

	if (SPI_execute_with_args("SELECT kind, tenant, subject, category, result ->> 'again' FROM toms.erasure WHERE id = $1", 1, (Oid[]) {INT8OID}, &value, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.erasure");
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no erasure " INT64_FORMAT, erasure)));
	subject = column(3);
	intent->erasure = erasure;
	strlcpy(intent->kind, column(1), sizeof(intent->kind));
	strlcpy(intent->category, column(4) ? column(4) : "", sizeof(intent->category));
	strlcpy(intent->again, column(5) ? column(5) : "", sizeof(intent->again));
	intent->has_subject = subject != NULL;
	toms_ledger_hash(intent->check, "", NULL);
	toms_ledger_hash(intent->tenant, column(2), NULL);
	if (subject)
		toms_ledger_hash(intent->subject, column(2), subject);
	toms_crypto_random(&intent->id, sizeof(intent->id));
	intent->xid = U64FromFullTransactionId(GetTopFullTransactionId());
	intent->system = GetSystemIdentifier();
	intent->timeline = (int32) GetWALInsertionTimeLine();
}

static void
refuse_worker(const TomsBackgroundTask *task)
{
	if (task->problem[0])
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the erasure could not be told outside of the database: %s", task->problem),
				 task->detail[0] ? errdetail("%s", task->detail) : 0,
				 errhint("Nothing was erased.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("the erasure could not be told outside of the database"),
			 errdetail("A background worker writes it down."),
			 errhint("Nothing was erased. Try again; if that does not help, raise max_worker_processes or look into the server log.")));
}

static void
tell_in_background(const TomsLedgerIntent *intent)
{
	dsm_segment *segment = toms_background_segment(sizeof(Task));
	Task	   *task = dsm_segment_address(segment);

	task->intent = *intent;
	if (!toms_background_run("toms writes the erasure ledger", "toms ledger", "toms_ledger_main", segment))
		refuse_worker(&task->common);
	dsm_detach(segment);
}

static void
warn_not_configured(void)
{
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the erasure is not told outside of the database"),
			 errdetail("Once a backup is restored nobody knows that it brings back what was erased."),
			 errhint("ALTER SYSTEM SET toms.outside = '/path/outside/the/data/directory'; SELECT pg_reload_conf(); erasures until then are told too.")));
}

/* The row of the erasure names its line: it is committed if and only if something was destroyed. */
static void
name_line(const TomsLedgerIntent *intent)
{
	Datum		values[] = {Int64GetDatum(intent->erasure), UUIDPGetDatum(&intent->id)};

	if (SPI_execute_with_args("UPDATE toms.erasure SET ledger = ledger || $2 WHERE id = $1", 2, (Oid[]) {INT8OID, UUIDOID}, values, NULL, false, 0) != SPI_OK_UPDATE ||
		SPI_processed != 1)
		elog(ERROR, "could not note the ledger's line in toms.erasure");
}

/* In this transaction, and not rolled back to a savepoint since. */
static bool
is_told(int64 erasure)
{
	Datum		value = Int64GetDatum(erasure);

	if (SPI_execute_with_args("SELECT FROM toms.erasure e JOIN toms.ledger l ON l.id = ANY (e.ledger) WHERE e.id = $1 AND l.xid = pg_catalog.pg_current_xact_id()",
							  1, (Oid[]) {INT8OID}, &value, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.ledger");
	return SPI_processed > 0;
}

/*
 * What was read of him is in the trail before his keys are destroyed: written afterwards it would make new ones, which bear his
 * name.  Once in a transaction, since the trail's writer may have to wait for what has been destroyed by then.
 */
static void
wait_for_readings(void)
{
	static FullTransactionId waited_in = {InvalidTransactionId};
	FullTransactionId now = GetTopFullTransactionId();

	if (FullTransactionIdEquals(waited_in, now))
		return;
	if (!toms_event_flush())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the erasure could not begin: what was read until now is not in the audit trail yet"),
				 errdetail("Its writer has not made it durable within toms.audit_timeout."),
				 errhint("Nothing was erased. SELECT * FROM toms.audit_queue;")));
	waited_in = now;
}

static void
tell(int64 erasure)
{
	TomsLedgerIntent intent = {0};

	wait_for_readings();
	require_open();
	require_key();
	describe(&intent, erasure);
	if (!toms_outside_configured())
		warn_not_configured();
	tell_in_background(&intent);
	TOMS_DEBUG_POINT("ledger-after-line");
	name_line(&intent);
}

/* toms.ledger_intend(erasure) */
Datum
toms_ledger_intend(PG_FUNCTION_ARGS)
{
	int			level = toms_use_system_settings();

	PreventCommandDuringRecovery("an erasure");
	SPI_connect();
	if (!is_told(PG_GETARG_INT64(0)))
		tell(PG_GETARG_INT64(0));
	SPI_finish();
	AtEOXact_GUC(true, level);
	toms_worker_announce();
	PG_RETURN_VOID();
}

/* toms.ledger_done(erasure): what becomes of it is known when the transaction has ended; the database's worker tells it then. */
Datum
toms_ledger_done(PG_FUNCTION_ARGS)
{
	TOMS_DEBUG_POINT("erasure-before-commit");
	toms_worker_announce();
	PG_RETURN_VOID();
}

/* the worker ------------------------------------------------------------------------------ */

static Datum
bytea_of(const uint8 *bytes, size_t length)
{
	bytea	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

static void
store_row(const TomsLedgerIntent *intent)
{
	Oid			types[] = {UUIDOID, INT8OID, TEXTOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, BYTEAOID};
	Datum		values[] = {UUIDPGetDatum(&intent->id), Int64GetDatum(intent->erasure), CStringGetTextDatum(intent->kind),
		bytea_of(intent->tenant, sizeof(intent->tenant)), bytea_of(intent->subject, sizeof(intent->subject)), CStringGetTextDatum(intent->category),
		CStringGetTextDatum(psprintf(UINT64_FORMAT, intent->xid)), CStringGetTextDatum(psprintf(UINT64_FORMAT, intent->system)), Int32GetDatum(intent->timeline),
	bytea_of(intent->check, sizeof(intent->check))};
	char		nulls[] = "          ";

	nulls[4] = intent->has_subject ? ' ' : 'n';
	nulls[5] = intent->category[0] ? ' ' : 'n';
	if (SPI_execute_with_args("INSERT INTO toms.ledger (id, erasure, kind, tenant, subject, category, xid, system, timeline, key_check) "
							  "VALUES ($1, $2, $3, $4, $5, $6, $7::pg_catalog.xid8, $8, $9, $10)", lengthof(types), types, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write toms.ledger");
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	(void) toms_use_system_settings();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
write_line(const TomsLedgerIntent *intent)
{
	Datum		value = UUIDPGetDatum(&intent->id);
	uint8		dataset[16];
	TomsOutside *log;

	if (!toms_dataset_get(dataset))
		elog(ERROR, "toms.dataset is empty");
	log = toms_outside_open(dataset);
	toms_outside_add(log, "erasure", toms_ledger_intent_members(intent));
	toms_outside_close(log);
	if (SPI_execute_with_args("UPDATE toms.ledger SET told = true WHERE id = $1", 1, (Oid[]) {UUIDOID}, &value, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write toms.ledger");
}

static void
write_both(void *task)
{
	const TomsLedgerIntent *intent = &((Task *) task)->intent;
	uint8		dataset[16];

	begin();
	if (toms_outside_configured())
	{
		toms_guard_trail_used();
		toms_block_lock();
		toms_guard_trail_work(true);
		toms_dataset_make(dataset);
		toms_guard_trail_work(false);
	}
	store_row(intent);
	toms_worker_announce();
	commit();
	if (!toms_outside_configured())
		return;
	TOMS_DEBUG_POINT("ledger-before-line");
	begin();
	write_line(intent);
	commit();
}

void
toms_ledger_main(Datum handle)
{
	toms_background_work(handle, "toms.ledger_intend()", write_both);
}
