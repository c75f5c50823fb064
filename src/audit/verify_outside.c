/*
 * verify_outside.c - are the blocks those of which the log outside of the database tells?
 *
 * Called by verify.c.  The log is read once, line by line.  A block that is another one than was
 * told of has been rewritten; if the server has since gone on in another timeline or cluster, it
 * was rewound, which an officer can sign off.  Blocks that are closed meanwhile are no fault: what
 * is compared is looked up as it is then.
 */
#include "audit/verify.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "audit/dataset.h"
#include "audit/outside.h"
#include "audit/outside_int.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A block as it is now. */
typedef struct Now
{
	bool		exists;
	uint64		system;			/* 0: its header cannot be read */
	int32		timeline;
	uint8		digest[TOMS_HASH_BYTES];
} Now;

typedef struct Comparison
{
	TomsVerification *run;
	TomsAcknowledgement *acknowledgements;
	int			acknowledged;
	int64		n;				/* of the record before */
	uint8		previous[TOMS_HASH_BYTES];	/* digest of the line before */
	int64		expected;		/* the first block that no record was found of */
	int64		newest;			/* the last block that there is */
	TomsFault	range;			/* blocks in a row with one fault, not reported yet */
	MemoryContext context;		/* of one line */
} Comparison;

static Now
look_up(TomsVerification *run, int64 number)
{
	Now			now = {false};
	Datum		value;
	TomsBlockHeader header;
	bool		isnull;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	toms_verify_query(run, TOMS_VERIFY_HEADER, number);
	PopActiveSnapshot();
	now.exists = SPI_processed > 0;
	if (now.exists)
	{
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		if (!isnull)
		{
			struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

			toms_crypto_sha256(now.digest, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
			if (toms_block_header_read((TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)}, &header))
			{
				now.system = header.system;
				now.timeline = header.timeline;
			}
		}
	}
	SPI_finish();
	return now;
}

/* faults ---------------------------------------------------------------------------------- */

static void
flush_range(Comparison *comparison)
{
	TomsFault  *range = &comparison->range;

	if (range->fault == NULL)
		return;
	if (range->to_block == range->block)
		range->to_block = 0;
	toms_verify_report(comparison->run, *range);
	range->fault = NULL;
}

static void
add_to_range(Comparison *comparison, const char *fault, int64 block, int32 timeline)
{
	TomsFault  *range = &comparison->range;

	if (range->fault && strcmp(range->fault, fault) == 0 && range->to_block + 1 == block && range->timeline == timeline)
	{
		range->to_block = block;
		return;
	}
	flush_range(comparison);
	*range = (TomsFault) {.fault = fault,.block = block,.to_block = block,.timeline = timeline,
		.detail = strcmp(fault, "block_missing") == 0 ? "the log outside tells of it" : "the log outside tells of another block"};
}

static void
line_fault(Comparison *comparison, const TomsOutsideLine *line, const char *problem)
{
	flush_range(comparison);
	toms_verify_report(comparison->run, (TomsFault) {.fault = "outside_changed",.block = line->block,
		.detail = psprintf("line " INT64_FORMAT " of the log outside: %s", line->whole ? line->n : comparison->n + 1, problem)});
}

/* Blocks without a record, of those that there are. */
static void
report_missing(Comparison *comparison, int64 from, int64 to, TimestampTz until)
{
	Datum		values[] = {Int64GetDatum(from), Int64GetDatum(to), TimestampTzGetDatum(until)};
	bool		isnull;
	int64		first;
	int64		last;

	if (from > to)
		return;
	flush_range(comparison);
	if (SPI_execute_with_args("SELECT min(number), max(number) FROM toms.audit_block WHERE number BETWEEN $1 AND $2 AND sealed_at <= $3",
							  3, (Oid[]) {INT8OID, INT8OID, TIMESTAMPTZOID}, values, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read toms.audit_block");
	first = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (isnull)
		return;
	last = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	toms_verify_report(comparison->run, (TomsFault) {.fault = "outside_missing",.block = first,.to_block = last > first ? last : 0,
		.detail = "the log outside does not tell of it"});
}

/* a record -------------------------------------------------------------------------------- */

static int32
current_timeline(void)
{
	TimeLineID	timeline;

	if (!RecoveryInProgress())
		return (int32) GetWALInsertionTimeLine();
	(void) GetXLogReplayRecPtr(&timeline);
	return (int32) timeline;
}

/* Whether the server went back to before the block was closed, and on from there. */
static bool
is_rewound(const TomsOutsideLine *line, const Now *now)
{
	if (now->exists && now->system == 0)
		return false;
	if ((now->exists ? now->system : GetSystemIdentifier()) != line->system)
		return true;
	return (now->exists ? now->timeline : current_timeline()) > line->timeline;
}

static bool
is_acknowledged(const Comparison *comparison, const TomsOutsideLine *line)
{
	for (int i = 0; i < comparison->acknowledged; i++)
	{
		const TomsAcknowledgement *acknowledgement = &comparison->acknowledgements[i];

		if (line->block >= acknowledgement->from_block && line->block <= acknowledgement->to_block && line->n <= acknowledgement->line)
			return true;
	}
	return false;
}

static void
differs(Comparison *comparison, const TomsOutsideLine *line, const Now *now)
{
	if (is_rewound(line, now))
	{
		if (!is_acknowledged(comparison, line))
			add_to_range(comparison, "rewound", line->block, line->timeline);
		return;
	}
	/* told when blocks were read */
	if (!now->exists && line->block <= comparison->newest)
		return;
	/* a standby is behind */
	if (!now->exists && RecoveryInProgress())
		return;
	add_to_range(comparison, now->exists ? "rewritten" : "block_missing", line->block, now->exists ? line->timeline : 0);
	if (line->block == comparison->expected)
		comparison->expected++;
}

static void
compare_block(Comparison *comparison, const TomsOutsideLine *line)
{
	TomsVerification *run = comparison->run;
	Now			now;

	if (line->block < run->first || (!run->ends && line->block > run->last))
		return;
	if (!toms_outside_signed(line) ||
		(run->has_key && line->system == GetSystemIdentifier() && memcmp(line->key, run->key, sizeof(run->key)) != 0))
	{
		line_fault(comparison, line, "its signature is not that of the keyring's key");
		return;
	}
	now = look_up(run, line->block);
	if (!now.exists || memcmp(now.digest, line->digest, sizeof(now.digest)) != 0)
		differs(comparison, line, &now);
	else if (line->block >= comparison->expected)
	{
		report_missing(comparison, comparison->expected, line->block - 1, DT_NOEND);
		comparison->expected = line->block + 1;
	}
}

static void
compare_line(Comparison *comparison, const TomsOutsideLine *line)
{
	/* what a crash left of a line is no record; the next line follows it */
	if (line->whole)
	{
		if (memcmp(line->previous, comparison->previous, sizeof(line->previous)) != 0 || line->n != comparison->n + 1)
			line_fault(comparison, line, "it does not follow the line before");
		else if (strcmp(line->dataset, toms_outside_dataset_name(comparison->run->dataset)) != 0)
			line_fault(comparison, line, "it is of another database");
		comparison->n = line->n;
		if (strcmp(line->type, "block") == 0)
			compare_block(comparison, line);
	}
	toms_crypto_sha256(comparison->previous, line->text, line->length);
}

/* the log --------------------------------------------------------------------------------- */

/* Those after the last record: they may be about to be told of, or were not closed here. */
static void
check_tail(Comparison *comparison)
{
	const TomsVerification *run = comparison->run;
	const TomsSegment *last = run->segment_count > 0 ? &run->segments[run->segment_count - 1] : NULL;

	if (RecoveryInProgress() || (last && last->system != GetSystemIdentifier()))
		return;
	report_missing(comparison, comparison->expected, run->last, run->overdue);
}

static void
read_log(Comparison *comparison)
{
	TomsOutsideReader *reader = toms_outside_read(comparison->run->dataset);
	TomsOutsideLine line;

	while (reader && toms_outside_next(reader, &line))
	{
		MemoryContext before = MemoryContextSwitchTo(comparison->context);

		compare_line(comparison, &line);
		MemoryContextSwitchTo(before);
		MemoryContextReset(comparison->context);
		CHECK_FOR_INTERRUPTS();
	}
	if (reader)
		toms_outside_end(reader);
}

static int64
newest_block(void)
{
	bool		isnull;
	int64		number;

	if (SPI_execute("SELECT max(number) FROM toms.audit_block", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read toms.audit_block");
	number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return isnull ? 0 : number;
}

void
toms_verify_outside(TomsVerification *run)
{
	uint8		other[16];
	Comparison	comparison = {.run = run,.expected = run->first,.newest = newest_block()};
	char	   *problem = toms_outside_problem(false);

	if (!toms_outside_configured())
	{
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no log outside of the database to compare blocks with"),
				 errdetail("A superuser who has the keyring could have written all of them anew."),
				 errhint("ALTER SYSTEM SET toms.outside = '/path/outside/the/data/directory'; SELECT pg_reload_conf();")));
		return;
	}
	if (problem)
	{
		toms_verify_report(run, (TomsFault) {.fault = "outside_missing",.detail = problem});
		return;
	}
	if (!run->has_dataset && !toms_outside_find(NULL, run->dataset))
		return;
	if (run->has_dataset && toms_outside_find(run->dataset, other))
		toms_verify_report(run, (TomsFault) {.fault = "dataset_changed",
						   .detail = psprintf("%s.log tells of another trail of this database; if it was given up, put that file elsewhere", toms_outside_dataset_name(other))});
	comparison.acknowledged = toms_acknowledgements(run, &comparison.acknowledgements);
	comparison.context = AllocSetContextCreate(CurrentMemoryContext, "toms compared line", ALLOCSET_SMALL_SIZES);
	read_log(&comparison);
	flush_range(&comparison);
	check_tail(&comparison);
	MemoryContextDelete(comparison.context);
}
