/*
 * retention_int.h - between the files of slice retention.
 */
#ifndef TOMS_RETENTION_INT_H
#define TOMS_RETENTION_INT_H

#include "retention/retention.h"

#include "catalog/catalog.h"

/* For which triggers of a table's owner need permissions of their own, where they read or write protected tables. */
#define TOMS_RETENTION_PURPOSE "retention"

/* What became of one batch, and of what came before it in the same run. */
typedef struct TomsBatchResult
{
	int64		rows;			/* deleted or pseudonymised by this batch */
	int64		cascaded;		/* rows of other tables that went with them */
	int64		held;			/* due, and kept by a hold; of this batch */
	int64		blocked;		/* due, and kept by a foreign key, a trigger or the like; of this batch */
	bool		more;			/* more may be due */
	bool		unfinished;		/* some rows of it were not tried: the next batch begins with the same */
	char	   *problem;		/* why rows are blocked, without values; NULL: none are */
} TomsBatchResult;

/* Where a run has come to in the rows of a rule and tenant; begins as zeros, kept by the caller. */
typedef struct TomsBatchPosition
{
	bool		started;
	TimestampTz since;			/* start events before are done, as the rule's column compares them */
	MemoryContext context;		/* of what follows; NULL: there is nothing */
	List	   *blocked;			/* rows that were blocked, and are left out until the run ends */
} TomsBatchPosition;

/*
 * One batch of at most "limit" rows of the tenant that are past the rule's period at "as_of", in the caller's
 * transaction: as the table's owner in a security-restricted operation, rows under a hold left out.  Cascades are
 * counted, data keys that no row carries any more are destroyed, an entry of kind deletion is written.
 * Raises no error for what single rows are to blame for.
 */
extern TomsBatchResult toms_retention_batch(const TomsRelation *relation, const TomsRule *rule, const char *tenant,
											TimestampTz as_of, int limit, TomsBatchPosition *position);

/* How many rows are due, up to "most"; nothing is changed. */
extern int64 toms_retention_count_due(const TomsRelation *relation, const TomsRule *rule, const char *tenant,
									  TimestampTz as_of, int64 most);

/*
 * What an error says that anybody may read: messages of triggers and functions may tell of people, so of them it is the
 * code, and the names in its fields.
 */
extern char *toms_retention_describe(const ErrorData *error);

/* Rules of this database in the order in which they can be carried out: referring tables first. */
typedef struct TomsRuleTurn
{
	Oid			root;
	int64		rule;
	char	   *tenant;			/* each tenant whom the rule is for, one after the other */
} TomsRuleTurn;

extern List *toms_retention_turns(void);	/* of TomsRuleTurn *, in the current memory context */

/* toms.retention_batch: rows of a transaction at most. */
extern int	toms_retention_batch_rows(void);

/*
 * Keys of deleted values that a former run could not destroy: for whom they are, and another try (SPI is
 * connected), each in a transaction of its own.
 */
extern List *toms_retention_loose_tenants(void);	/* of char * */
extern void toms_loose_keys_destroy(const char *tenant);

/* position.c: taken out, and kept for the next call; whether a run is going on. */
extern TomsBatchPosition toms_position_take(const TomsRuleTurn *turn);
extern void toms_position_keep(const TomsRuleTurn *turn, const TomsBatchPosition *position);
extern void toms_position_running(bool running);
extern void toms_position_init(void);

#endif							/* TOMS_RETENTION_INT_H */
