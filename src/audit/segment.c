/*
 * segment.c - in which cluster entries were written: transaction numbers mean nothing in another.
 *
 * Called when a block is closed, and by whoever adds his first entry.  A segment is opened
 * under a lock on toms.audit_segment that lasts until the transaction ends.
 */
#include "audit/audit_int.h"
#include "audit/block.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* More of them nobody has; rows that somebody else put there must not fill memory. */
#define SEGMENT_LIMIT 10000

/* Number of the last segment, 0 if there is none; whether it is this cluster's. */
static int32
last_segment(bool *here)
{
	char		system[32];
	bool		isnull;

	*here = false;
	/* whatever the isolation level: another transaction may have opened it meanwhile */
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute("SELECT number, system_identifier FROM toms.audit_segment ORDER BY number DESC LIMIT 1", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_segment");
	PopActiveSnapshot();
	if (SPI_processed == 0)
		return 0;
	snprintf(system, sizeof(system), UINT64_FORMAT, GetSystemIdentifier());
	*here = strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2), system) == 0;
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Ids that are given out from now on are above the first one. */
static void
insert_segment(int32 number)
{
	Oid			types[] = {INT4OID, TEXTOID, INT8OID};
	char	   *system = psprintf(UINT64_FORMAT, GetSystemIdentifier());
	int64		first_id = toms_number_floor(GetCurrentTimestamp());
	Datum		values[] = {Int32GetDatum(number), CStringGetTextDatum(system), Int64GetDatum(first_id)};

	toms_guard_trail_work(true);
	if (SPI_execute_with_args("INSERT INTO toms.audit_segment (number, system_identifier, first_id, opened_at) "
							  "SELECT $1, $2, GREATEST($3, (SELECT pg_catalog.max(id) FROM toms.audit_entry) OPERATOR(pg_catalog.+) 1), pg_catalog.clock_timestamp()", lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not open a segment");
	toms_guard_trail_work(false);
}

static Oid
segment_table(void)
{
	return get_relname_relid("audit_segment", get_namespace_oid("toms", false));
}

static bool
lock_segments(bool wait)
{
	Oid			relid = segment_table();

	if (!wait)
		return ConditionalLockRelationOid(relid, ShareRowExclusiveLock);
	LockRelationOid(relid, ShareRowExclusiveLock);
	return true;
}

int32
toms_segment_open(bool wait)
{
	int32		number;
	bool		here;

	PushActiveSnapshot(GetLatestSnapshot());	/* statements that change need one to begin with */
	SPI_connect();
	number = last_segment(&here);
	if (!here && !lock_segments(wait))
		number = 0;
	else if (!here)
	{
		number = last_segment(&here);
		if (!here)
			insert_segment(++number);
	}
	SPI_finish();
	PopActiveSnapshot();
	return number;
}

/*
 * Whether the last segment is of another cluster, and its first number, 0 if there was none before it; the table
 * has a row for each, so no query is worth it.
 */
static bool
is_restored(int64 *first_id)
{
	Relation	rel = table_open(segment_table(), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	char	   *here = psprintf(UINT64_FORMAT, GetSystemIdentifier());
	bool		restored = false;
	int32		last = 0;
	HeapTuple	tuple;

	*first_id = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		int32		number = DatumGetInt32(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));

		if (number <= last)
			continue;
		*first_id = number > 1 ? DatumGetInt64(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull)) : 0;
		last = number;
		restored = strcmp(TextDatumGetCString(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull)), here) != 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	pfree(here);
	return restored;
}

bool
toms_segment_begin(int64 *first_id)
{
	Oid			user;
	int			security;
	int			level;

	if (!is_restored(first_id))
		return false;
	/* an error ends all of this with the transaction */
	level = toms_use_system_settings();
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
	toms_guard_trail_work(true);
	(void) toms_segment_open(true);
	toms_guard_trail_work(false);
	SetUserIdAndSecContext(user, security);
	AtEOXact_GUC(true, level);
	(void) is_restored(first_id);
	return true;
}

int
toms_segments_read(TomsSegment **segments)
{
	int			count;

	if (SPI_execute("SELECT number, system_identifier, first_id FROM toms.audit_segment ORDER BY number", true, SEGMENT_LIMIT) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_segment");
	count = (int) SPI_processed;
	*segments = palloc0(sizeof(TomsSegment) * (count + 1));	/* room for one that is to come */
	for (int i = 0; i < count; i++)
	{
		TomsSegment *segment = &(*segments)[i];
		HeapTuple	row = SPI_tuptable->vals[i];
		char	   *system = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
		bool		isnull;

		segment->number = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		segment->system = system ? strtou64(system, NULL, 10) : 0;
		segment->first_id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isnull));
	}
	return count;
}
