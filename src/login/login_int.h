/*
 * login_int.h - between the files of slice login.
 *
 * TOMS_LOCK_LOGIN guards all that is shared.  Under it nothing is allocated, reported or looked up.
 */
#ifndef TOMS_LOGIN_INT_H
#define TOMS_LOGIN_INT_H

#include "login/login.h"

#include "base/lock.h"

/* An address as failures are counted by it: of IPv6 the first 64 bits, which one client has to itself. */
typedef struct TomsLoginPlace
{
	uint8		family;			/* 4, 6; 0: this machine, by a Unix socket */
	uint8		bytes[8];
} TomsLoginPlace;

/* Who tries, from where. */
typedef struct TomsLoginPair
{
	uint8		hash[TOMS_LOGIN_HASH_BYTES];	/* of the name, as the client gave it */
	TomsLoginPlace place;
} TomsLoginPair;

/* What was counted against a pair. */
typedef struct TomsLoginCount
{
	TomsLoginPair pair;
	char		login[NAMEDATALEN]; /* empty: there is no such role, and the name is not kept */
	int			failures;		/* 0: free */
	TimestampTz first;			/* of the failures */
	TimestampTz last;
	TimestampTz with_tls;		/* the last one, if it was with TLS and excuses one without */
	TimestampTz since;			/* when the lock began; 0: not locked */
	TimestampTz until;
} TomsLoginCount;

/* count.c */
extern Size toms_login_count_size(void);
extern void toms_login_count_init(bool found, void *area);
extern void toms_login_count_settings(void);
extern void toms_login_hash(uint8 hash[TOMS_LOGIN_HASH_BYTES], const char *name);

/* Count an attempt; fills in failures, locked_until and retry.  True if the pair was locked before. */
extern bool toms_login_count(TomsLoginRecord *record, const TomsLoginPair *pair);

/* Locks that are in force, palloc'd. */
extern TomsLoginCount *toms_login_locks(int *count);

/* Begin one that was in force before a restart; end those of a name (at a place, unless that is NULL): how many. */
extern void toms_login_restore_lock(const TomsLoginCount *lock);
extern int	toms_login_end_locks(const char *name, const TomsLoginPlace *place);
extern uint64 toms_login_lock_changes(void);
extern int64 toms_login_forgotten(void);	/* counts that gave way to others */

/* refuse.c: FATAL. */
extern void toms_login_refuse(Port *port) pg_attribute_noreturn();

/* ring.c */
extern Size toms_login_ring_size(void);
extern void toms_login_ring_init(bool found, void *area);
extern void toms_login_push(TomsLoginRecord *record);
extern bool toms_login_is_ours(const char *database);	/* would the record be; with the lock held */
extern void toms_login_ring_state(int *waiting, int64 *lost);

/* session.c: this session has begun; its end is recorded if its beginning is.  Fills in "elsewhere". */
extern Size toms_login_session_size(void);
extern void toms_login_session_init(bool found, void *area);
extern void toms_login_session_begin(TomsLoginRecord *record, const TomsLoginPlace *place, bool is_recorded);

/* lock.c: toms.login_lock, in a transaction of the writer's. */
extern void toms_login_lock_load(void);
extern void toms_login_lock_keep(bool at_home);
extern TimestampTz toms_login_trail_since(void);

#endif							/* TOMS_LOGIN_INT_H */
