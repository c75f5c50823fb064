/*
 * login.h - who logs in: every attempt on record, too many failed ones locked out.
 *
 * Sessions leave records in shared memory, from where the writer of a database, slice audit's, takes
 * them: a log-in never waits for the trail, and no fault of ours keeps anybody out.
 */
#ifndef TOMS_LOGIN_H
#define TOMS_LOGIN_H

#include "postgres.h"

#include "base/compat.h"
#include "datatype/timestamp.h"

#define TOMS_LOGIN_HASH_BYTES 16
#define TOMS_LOGIN_ADDRESS_BYTES 46

extern void toms_login_init(void);
extern Size toms_login_shmem_size(void);
extern void toms_login_shmem_init(bool found, void *area);

/*
 * For hooks.c, once PostgreSQL has decided on an attempt to log in.  "before" the next hook counts, and raises
 * FATAL for who is locked out; "after" it, which may refuse too, the session is on record.
 */
extern void toms_login_before(Port *port, int status);
extern void toms_login_after(Port *port, int status);

typedef enum TomsLoginOutcome
{
	TOMS_LOGIN_AUTHENTICATED,
	TOMS_LOGIN_FAILED,
	TOMS_LOGIN_NO_ROLE,			/* there is none of that name */
	TOMS_LOGIN_NOT_PERMITTED	/* the role may not log in */
} TomsLoginOutcome;

typedef struct TomsLoginRecord
{
	uint64		number;			/* in the order in which they came */
	Oid			taker;			/* database whose writer makes an entry of it; InvalidOid: none yet */
	char		verb;			/* TomsEntryVerb of kind session */
	bool		retry;			/* the client had just tried with TLS: not counted */
	TomsLoginOutcome outcome;
	int64		id;				/* of the entry */
	TimestampTz at;
	TimestampTz since;			/* log-out: when the session began */
	TimestampTz locked_until;	/* 0: not locked */
	int			failures;		/* counted against user and address */
	Oid			role;			/* InvalidOid: there is none of that name */
	char		login[NAMEDATALEN]; /* its name */
	uint8		hash[TOMS_LOGIN_HASH_BYTES];	/* of the name, if there is no such role */
	char		database[NAMEDATALEN];	/* as asked for; empty: none, for replication */
	char		address[TOMS_LOGIN_ADDRESS_BYTES];	/* "local": a Unix socket */
	char		elsewhere[TOMS_LOGIN_ADDRESS_BYTES];	/* another address that has a session of the role; empty: none */
	char		method[16];
	char		tls[16];		/* version, or "none" */
} TomsLoginRecord;

/* Records, and events that were not recorded, on their way into the trail of this database. */
typedef struct TomsLogins
{
	TomsLoginRecord *records;
	int			count;
	int64		lost;			/* 0: not told here */
} TomsLogins;

/*
 * For the writer of a database, in this order: whether there is something to do; in a transaction, take what is waiting (false: the
 * trail of this database is not in use, nothing may be written) and bring toms.login_lock up to date; once that is committed,
 * say so.  What was taken and not written is taken again.
 */
extern bool toms_login_is_waiting(void);
extern bool toms_login_take(TomsLogins *logins);
extern void toms_login_written(void);

/* Whether there are sessions whose log-out this writer will be told of. */
extern bool toms_login_sessions_are_left(void);

/* In words, for entries. */
extern const char *toms_login_outcome(TomsLoginOutcome outcome);

/* Whether the log-in is one person's, as toms.mark_login() has said; in a transaction. */
extern bool toms_login_is_personal(Oid role);

#endif							/* TOMS_LOGIN_H */
