/*
 * system_settings.h - settings under which toms prints and parses expressions.
 */
#ifndef TOMS_SYSTEM_SETTINGS_H
#define TOMS_SYSTEM_SETTINGS_H

/*
 * Nothing but the system's own schema on the search path, and the forms of literals that a
 * dump has, whatever the client has set.  Returns the level for AtEOXact_GUC(true, level).
 */
extern int	toms_use_system_settings(void);

/*
 * A query of toms over the rows of all tenants, with the rights of a superuser.  The planner evaluates predicates of
 * indexes and the like: no function of a table's owner is run meanwhile, which guard sees to.
 */
typedef struct TomsSystemQuery
{
	int			settings;
	Oid			user;
	int			security;
	bool		around;			/* it is asked within another one */
	SubTransactionId around_in;
} TomsSystemQuery;

extern TomsSystemQuery toms_system_query_begin(void);
extern void toms_system_query_end(TomsSystemQuery query);

/*
 * In PG_CATCH() around a statement of toms over all rows, whose text names persons: raise the error again without the
 * statement, where it was, and the row that PostgreSQL shows where a constraint is violated; "memory" is the caller's.
 */
extern void toms_system_query_rethrow(MemoryContext memory) __attribute__((noreturn));

/*
 * An error in between is followed by the end of the subtransaction it began in, or of the transaction
 * (InvalidSubTransactionId), where guard calls that.  Those within it do not end it.
 */
extern void toms_system_query_forget(SubTransactionId ended);

extern bool toms_in_system_query(void);

#endif							/* TOMS_SYSTEM_SETTINGS_H */
