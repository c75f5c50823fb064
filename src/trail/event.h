/*
 * event.h - what happened and must be told whatever becomes of the transaction: reads, refusals,
 * log-ins, administrators' work; part of trail.h.
 *
 * Any slice adds events; slice audit's writer makes entries of them.  Before its transaction goes on,
 * who adds a strict one waits until its entry is durable.  An event of which nobody waits is written
 * within toms.audit_delay; one that says the same as another that is waiting is merged into it.
 */
#ifndef TOMS_EVENT_H
#define TOMS_EVENT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "trail/queue.h"

/* Who acts, in words: an entry of kind who is made of it. */
typedef struct TomsWho
{
	const char *tenant;			/* of the context; NULL: none */
	const char *actor;			/* likewise */
	const char *text;			/* JSON in UTF-8 */
	size_t		length;
	uint8		digest[TOMS_DIGEST_BYTES];	/* of text and tenant */
	uint64		number;			/* of the answer, in this session */
} TomsWho;

typedef struct TomsEvent
{
	char		kind;			/* TomsEntryKind, TomsEntryVerb */
	char		verb;
	Oid			relid;			/* table; InvalidOid: none */
	const char *subject;		/* whose data, of the context's tenant; NULL: nobody's in particular */
	const char *details;		/* members of a JSON object without braces, in the database's encoding; NULL: none */
	bool		is_open;		/* rows will be told by toms_event_end() */
	bool		strict;			/* durable when toms_event_add() returns */
} TomsEvent;

/* Longest details that callers may give, in bytes. */
#define TOMS_DETAILS_BYTES 4096

extern void toms_event_init(void);

/*
 * What events need of slices above, which set it when the server starts: who acts, and whether the extension
 * is in this database.  Both may look up catalogues.
 */
extern const TomsWho *(*toms_event_who) (void);
extern bool (*toms_event_is_wanted) (void);

/*
 * Set by slice guard: an administrator has broken the glass, and what he does goes on even if the trail cannot take it
 * in; then it is in the server log.
 */
extern bool (*toms_event_may_be_late) (void);

/*
 * Add an event; the mark is for toms_event_end().  Waits up to toms.audit_timeout for room, and for a
 * strict one to be durable, then raises 53400: what it tells of must not go on.  In a database without the extension,
 * in toms' own processes nothing is added.
 */
extern TomsMark toms_event_add(const TomsEvent *event);

/* The same without waiting or raising an error; false, and a line in the server log, if there is no room. */
extern bool toms_event_try(const TomsEvent *event);

/*
 * The same at the end of a transaction or of the process, where catalogues cannot be looked up: in words that were
 * made before, with details in UTF-8 and without a table.  Writes nothing into the server log.
 */
extern bool toms_event_leave(const TomsEvent *event, const TomsWho *who);

/*
 * What an event of a tenant (NULL: nobody) tells of has ended, after so many rows.  Never waits, allocates or raises: it may be
 * called while a transaction is aborted.
 */
extern void toms_event_end(const TomsMark *mark, const char *tenant, int64 rows);

/*
 * Wait until all that has been added in this database, by whomever, is durable: then who reads the trail sees
 * it.  False after toms.audit_timeout.
 */
extern bool toms_event_flush(void);

/* This process adds no events: it works for the trail. */
extern void toms_event_off(void);

/* "name":"value", with a comma before it unless it is the first; nothing if value is NULL. */
extern void toms_event_say(StringInfo details, const char *name, const char *value);

/* toms.audit_timeout and toms.audit_delay, in milliseconds. */
extern int	toms_audit_timeout(void);
extern int	toms_audit_delay(void);

#endif							/* TOMS_EVENT_H */
