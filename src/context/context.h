/*
 * context.h - the one door to "who is asking".
 *
 * A context is what a verified token says, for as long as it holds: in the transaction
 * that set it (or the session, where toms.session_context allows that), until it expires,
 * for a tenant that is registered and a role that the session's user is a member of.
 */
#ifndef TOMS_CONTEXT_H
#define TOMS_CONTEXT_H

#include "postgres.h"

#include "base/reason.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#define TOMS_MAX_PURPOSES 32
#define TOMS_PRINCIPAL_BYTES 16

/* What a token says, verified.  One block of memory, strings included. */
typedef struct TomsContext
{
	const char *tenant;
	const char *subject;
	const char *actor;			/* act.sub, else the subject */
	const char *role;
	int			npurposes;
	const char *purposes[TOMS_MAX_PURPOSES];
	bool		mfa;			/* amr holds "mfa" (RFC 8176) */
	TimestampTz expires_at;
	LocalTransactionId lxid;	/* the transaction that set it */
	uint64		number;			/* counts the contexts of this session */
	uint8		principal[TOMS_PRINCIPAL_BYTES];	/* digest of all above that says who */
} TomsContext;

extern void toms_context_init(void);

/* Shared memory: the key set, verified tokens, used token ids. */
extern Size toms_context_shmem_size(void);
extern void toms_context_shmem_init(bool found, void *area);

/*
 * TOMS_OK if a context is in force, else the first reason why not.  The answer is kept;
 * a change of context, transaction, configuration or membership renews it.
 */
extern TomsReason toms_context_check(void);

/*
 * The context in force, or NULL.  It belongs to guc.c and is gone once toms.token changes:
 * do not keep it, nor the purpose below, over anything that runs SQL.
 */
extern const TomsContext *toms_context_get(void);

/*
 * Who asks, in one answer: each of the functions around here may look anew, since looking
 * up anything can take in another session's change.  Valid as long as the context is.
 */
typedef struct TomsAsker
{
	const TomsContext *context; /* NULL unless the result is TOMS_OK */
	Oid			role;
	const char *purpose;		/* in force; NULL if none is chosen */
	bool		aggregate;		/* the purpose answers statistics alone, never a row */
} TomsAsker;

extern TomsReason toms_context_ask(TomsAsker *asker);

/* The purpose in force, or NULL. */
extern const char *toms_context_purpose(void);

/*
 * While an access function runs, its purpose is in force: enter if the token holds it, leave in
 * order, on error too.  A statistic enters one for its aggregate purpose: rows can be read
 * in it, but not by parallel workers.
 */
typedef struct TomsFrame TomsFrame;
extern bool toms_context_holds_purpose(const char *purpose);
extern TomsFrame *toms_context_enter_frame(const char *purpose, Oid function);	/* InvalidOid: a statistic */
extern void toms_context_leave_frame(TomsFrame *frame);

/* The innermost access function that is running; InvalidOid: none, or a statistic. */
extern Oid	toms_context_function(void);

/* Whether an access function is running, or a statistic, of which groups alone come out. */
extern bool toms_context_in_frame(void);
extern bool toms_context_in_statistic(void);

/* When it expires by the clock, leeway included. */
extern TimestampTz toms_context_expires_at(void);

/* Whether the context has expired by the clock, not by the statement's start. */
extern bool toms_context_expired_now(void);

/* One line for records: "tenant=… role=… purpose=…", without the data subject. */
extern const char *toms_context_who(void);

/* The same for the audit trail, as a TomsWho; valid until this is called again. */
extern const struct TomsWho *toms_context_words(void);

/* A sentence and the SQL that helps, for the reasons of toms_context_check(). */
extern const char *toms_context_detail(TomsReason reason);
extern const char *toms_context_hint(TomsReason reason);

/* Whether a context may live longer than its transaction (toms.session_context). */
extern bool toms_context_outlives_transaction(void);

/* Whether a missing context yields no rows instead of an error. */
extern bool toms_context_missing_is_empty(void);

/* The stated reason of administrative access, or NULL. */
extern const char *toms_context_stated_reason(void);

/* Set by slice guard: says the administrative session, false if none is open; is told of a reason before it is in force. */
extern bool (*toms_context_say_session) (StringInfo words);
extern void (*toms_context_reason_listener) (const char *reason);

#include "context/work.h"

#endif							/* TOMS_CONTEXT_H */
