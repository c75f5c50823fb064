/*
 * read.h - what statements read of protected tables, for the audit trail; part of guard.h.
 */
#ifndef TOMS_GUARD_READ_H
#define TOMS_GUARD_READ_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "tcop/cmdtag.h"

/* What is to be remembered of a statement while it lives. */
typedef enum TomsPinKind
{
	TOMS_PIN_NONE,
	TOMS_PIN_RUN,				/* that it may be running when others are started */
	TOMS_PIN_IDENTITY			/* whose context its rows depend on */
} TomsPinKind;

typedef struct TomsPinning
{
	TomsPinKind kind;
	List	   *reads;			/* OIDs of tables, topmost ones, of which it reads rows that are told of */
	bool		past_policies;	/* an administrator started it: further rows need a session, too */
} TomsPinning;

/* What a statement, or COPY of a table, reads: an event for each table. */
typedef struct TomsReading TomsReading;

/* COPY, while it runs. */
typedef struct TomsCopy
{
	bool		is_from;
	const char *other_end;		/* "file", "program" or "client", never which */
	TomsReading *reading;		/* of its table; NULL: none that is told of, or it copies a query */
} TomsCopy;

/* NULL for other statements; in the current memory context. */
extern TomsCopy *toms_guard_copy_of(const Node *statement);

/* COPY of a table has passed, and reads or fills these; and it is done. */
extern void toms_guard_copies(TomsCopy *copy, List *tables);
extern void toms_guard_copy_is_done(TomsCopy *copy, const QueryCompletion *completion);

/* In memory that lives as long as the statement; NULL if there are no tables. */
extern TomsReading *toms_reading_make(const QueryDesc *query, List *tables);

/*
 * Before its first run: the events are added, and are durable if a table asks for that.  Around each run; and
 * when the statement ends, in whatever way: that raises no error.
 */
extern void toms_reading_start(TomsReading *reading, const QueryDesc *query, const TomsCopy *copy);
extern void toms_reading_run(TomsReading *reading, bool begins);
extern void toms_reading_end(TomsReading *reading);

/* Whether a query tells a client, a file or a program of its rows, by COPY. */
extern bool toms_guard_exports(const QueryDesc *query);

/* Whether the statement hands on rows of what it writes; "index" is of its range table. */
extern bool toms_guard_returns(const PlannedStmt *stmt, Index index);

/* Whether others than toms ask for the numbers of statements, pg_stat_statements for instance. */
extern bool toms_others_need_query_ids(void);

/* Before a statement is rewritten, or planned at the latest: have it identified without its literals if it may read a protected table. */
extern void toms_guard_identify(Query *query, const char *text);

#endif							/* TOMS_GUARD_READ_H */
