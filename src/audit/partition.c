/*
 * partition.c - a table for each kind and month of entries.
 *
 * Called by toms.make_audit_partitions() and toms.maintain_audit().  A partition is made as a
 * table and attached, which lets entries be written meanwhile, but to the default partition: what
 * is of its month there is moved in the same transaction.  Partitions are no members of the
 * extension, so that dumps carry them.
 *
 * Locks: SHARE UPDATE EXCLUSIVE on the kind's table keeps others from making the same one.
 */
#include "audit/audit_int.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "commands/extension.h"
#include "commands/tablespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(toms_add_audit_partition);
PG_FUNCTION_INFO_V1(toms_index_audit_partition);
PG_FUNCTION_INFO_V1(toms_collect_audit_strays);

static char *tablespace = NULL;

typedef struct Month
{
	const char *kind;			/* name of the kind's table */
	char		name[NAMEDATALEN];	/* of the partition */
	char		since[16];
	char		until[16];
} Month;

void
toms_partition_init(void)
{
	DefineCustomStringVariable("toms.audit_tablespace", "Tablespace of new partitions of the audit trail.", NULL,
							   &tablespace, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
}

void
toms_trail_run(const char *statements)
{
	bool		creating = creating_extension;

	/* an error ends what the flag and the variable are for */
	creating_extension = false;
	toms_guard_trail_work(true);
	PG_TRY();
	{
		if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(statements, false, 0) < 0 || SPI_finish() != SPI_OK_FINISH)
			elog(ERROR, "could not run maintenance statements");
	}
	PG_FINALLY();
	{
		toms_guard_trail_work(false);
		creating_extension = creating;
	}
	PG_END_TRY();
}

static void
month_of(Oid kind, DateADT day, Month *month)
{
	int			y,
				m,
				d;

	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	month->kind = get_rel_name(kind);
	snprintf(month->name, sizeof(month->name), "%s_%04d_%02d", month->kind, y, m);
	snprintf(month->since, sizeof(month->since), "%04d-%02d-01", y, m);
	snprintf(month->until, sizeof(month->until), "%04d-%02d-01", m == 12 ? y + 1 : y, m == 12 ? 1 : m + 1);
}

/* A tablespace that is not there must not keep entries from having a partition. */
static const char *
in_tablespace(void)
{
	if (tablespace == NULL || tablespace[0] == '\0')
		return "";
	if (OidIsValid(get_tablespace_oid(tablespace, true)))
		return psprintf(" TABLESPACE %s", quote_identifier(tablespace));
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("tablespace \"%s\" does not exist", tablespace),
			 errdetail("The partition is made in the default one."),
			 errhint("toms.audit_tablespace names it.")));
	return "";
}

/* What ALTER DEFAULT PRIVILEGES has given away is taken back. */
static const char take_privileges[] =
"DO $$DECLARE r record; BEGIN"
" FOR r IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a"
" WHERE c.oid = 'toms.%s'::regclass AND a.grantee <> c.relowner LOOP"
" EXECUTE 'REVOKE ALL ON toms.%s FROM ' || CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END;"
" END LOOP; END$$;";

static const char move_rows[] =
"WITH moved AS (DELETE FROM toms.%s_default WHERE at >= '%s 00:00:00+00' AND at < '%s 00:00:00+00' RETURNING *)"
" INSERT INTO toms.%s SELECT * FROM moved;";

static void
make_partition(const Month *month)
{
	const char *space = in_tablespace();
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE toms.%s (LIKE toms.%s INCLUDING STORAGE) USING heap%s;", month->name, month->kind, space);
	appendStringInfo(&sql, take_privileges, month->name, month->name);
	appendStringInfo(&sql, "CREATE INDEX %s_order ON toms.%s USING brin (at, xid, id) WITH (pages_per_range = 32, autosummarize = on)%s;", month->name, month->name, space);
	if (strcmp(month->kind, "audit_who") == 0 || strcmp(month->kind, "audit_object") == 0)
		appendStringInfo(&sql, "CREATE INDEX %s_id ON toms.%s (id)%s;", month->name, month->name, space);
	if (strcmp(month->kind, "audit_object") == 0)
		appendStringInfo(&sql, "CREATE INDEX %s_table ON toms.%s (object, id)%s;", month->name, month->name, space);
	appendStringInfo(&sql, "LOCK TABLE ONLY toms.%s_default IN ACCESS EXCLUSIVE MODE;", month->kind);
	appendStringInfo(&sql, move_rows, month->kind, month->since, month->until, month->name);
	appendStringInfo(&sql, "ALTER TABLE toms.%s ATTACH PARTITION toms.%s FOR VALUES FROM ('%s 00:00:00+00') TO ('%s 00:00:00+00');",
					 month->kind, month->name, month->since, month->until);
	/* the first pages too are summed up when they are full, not with each entry */
	appendStringInfo(&sql, "SELECT brin_desummarize_range('toms.%s_order', 0);", month->name);
	appendStringInfo(&sql, "COMMENT ON TABLE toms.%s IS 'entries of a month';", month->name);
	toms_trail_run(sql.data);
}

/* toms.add_audit_partition(kind, month): whether there was none yet. */
Datum
toms_add_audit_partition(PG_FUNCTION_ARGS)
{
	Oid			kind = PG_GETARG_OID(0);
	Month		month;

	LockRelationOid(kind, ShareUpdateExclusiveLock);
	month_of(kind, PG_GETARG_DATEADT(1), &month);
	if (OidIsValid(get_relname_relid(month.name, get_rel_namespace(kind))))
		PG_RETURN_BOOL(false);
	make_partition(&month);
	PG_RETURN_BOOL(true);
}

/*
 * toms.index_audit_partition(partition): of a month that is over, for who looks for a data subject.
 * Entries that still come carry it too.
 */
Datum
toms_index_audit_partition(PG_FUNCTION_ARGS)
{
	char	   *partition = get_rel_name(PG_GETARG_OID(0));
	char		index[NAMEDATALEN];

	snprintf(index, sizeof(index), "%s_key", partition);
	if (OidIsValid(get_relname_relid(index, get_rel_namespace(PG_GETARG_OID(0)))))
		PG_RETURN_BOOL(false);
	toms_trail_run(psprintf("CREATE INDEX %s ON toms.%s (key) WHERE key IS NOT NULL%s",
							quote_identifier(index), quote_identifier(partition), in_tablespace()));
	PG_RETURN_BOOL(true);
}

/*
 * toms.collect_audit_strays(partition, month): who found the default partition before this one was
 * attached, and wrote to it afterwards.
 */
Datum
toms_collect_audit_strays(PG_FUNCTION_ARGS)
{
	Month		month;

	month_of(PG_GETARG_OID(0), PG_GETARG_DATEADT(1), &month);
	toms_trail_run(psprintf(move_rows, month.kind, month.since, month.until, month.name));
	PG_RETURN_VOID();
}
