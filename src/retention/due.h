/*
 * due.h - which rows are past a rule's period, in the words of SQL; between the files of slice retention.
 */
#ifndef TOMS_RETENTION_DUE_H
#define TOMS_RETENTION_DUE_H

#include "retention/retention_int.h"

#include "executor/spi.h"
#include "storage/itemptr.h"

#define TOMS_DUE_PARAMETERS 12	/* a tenant, a horizon for each category, and what callers add */

/* All that is needed of a rule: the catalogue's own may be renewed while statements run. */
typedef struct TomsDue
{
	Oid			root;
	int64		rule;
	char	   *tenant;
	TomsRetentionAction action;
	char	   *table;			/* qualified */
	char	   *condition;		/* on rows of "t": past the period, of the tenant */
	char	   *since;			/* the start event's column; NULL: it is elsewhere */
	Oid			type;			/* of it */
	char	   *held;			/* condition on rows that a hold keeps; NULL: there is none */
	bool		all_held;		/* whatever row it is */
	char	   *cleared;		/* SET clause of pseudonymising; NULL: rows are deleted */
	int			nparameters;
	Oid			types[TOMS_DUE_PARAMETERS];
	Datum		values[TOMS_DUE_PARAMETERS];
} TomsDue;

/* Raises an error that says what is missing if the rule cannot be carried out. */
extern TomsDue *toms_due_make(const TomsRelation *relation, const TomsRule *rule, const char *tenant, TimestampTz as_of);

/* A further parameter: returns its number. */
extern int	toms_due_parameter(TomsDue *due, Oid type, Datum value);

/*
 * plan.c: run a statement with the parameters, by a plan that is kept, until it has "most" rows; 0: to its end.  SPI is
 * connected.  What differs from call to call must not be in the text, or each has a plan.
 */
extern uint64 toms_due_run(const TomsDue *due, const char *statement, long most);

/* A row that was chosen, or is left out. */
typedef struct TomsDueRow
{
	Oid			table;
	ItemPointerData tid;
	int64		since;			/* as the column has it; 0 where it is elsewhere */
} TomsDueRow;

/* keys.c: keys of values that were deleted. */
extern void toms_loose_keys_note(const int64 *keys, int count);

#endif							/* TOMS_RETENTION_DUE_H */
