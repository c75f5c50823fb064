/*
 * reason.h - why toms refuses: the stable codes, their SQLSTATE and their wording.
 *
 * A reason is what a client reads to decide between "renew the token", "show 403"
 * and "this is a bug".  Its code travels in the constraint-name field of the
 * protocol's error message and is never renamed; README lists all of them.
 */
#ifndef TOMS_REASON_H
#define TOMS_REASON_H

#include "postgres.h"

typedef enum TomsReason
{
	TOMS_OK = 0,
#define TOMS_REASON(name, code, sqlstate, text) TOMS_##name,
#include "base/reason_list.h"
#undef TOMS_REASON
	TOMS_REASON_COUNT
} TomsReason;

/* One refusal.  Fields that do not apply are NULL or InvalidOid. */
typedef struct TomsRefusal
{
	TomsReason	reason;
	Oid			relid;			/* the table concerned */
	const char *who;			/* "tenant=… role=… purpose=…", for the record */
	const char *verbs;			/* of the statement */
	const char *detail;			/* the first thing that is missing */
	const char *hint;			/* the SQL that would allow it */
} TomsRefusal;

extern const char *toms_reason_code(TomsReason reason);
extern const char *toms_reason_text(TomsReason reason);
extern int	toms_reason_sqlstate(TomsReason reason);
extern TomsReason toms_reason_by_code(const char *code);

/* Refusals of this cluster since start, and lets them be counted. */
extern Size toms_reason_shmem_size(void);
extern void toms_reason_shmem_init(bool found, void *area);
extern uint64 toms_refusal_count(void);

/*
 * Record a refusal in the server log, where no EXCEPTION block can swallow it.
 * "action" says what came of it: "refused" or "would refuse".
 */
extern void toms_record_refusal(const TomsRefusal *refusal, const char *action);

/*
 * Set while a check tries what must be refused: that is marked in the trail, and neither counted nor told in the server
 * log.  Who sets it takes it back, on error too.
 */
extern bool toms_is_probing;

/* Set by slice trail: is told of every refusal that is recorded; raises no error. */
extern void (*toms_refusal_listener) (const TomsRefusal *refusal, const char *action);

/* Record, then raise the error.  Never prints a token, a key or a row's value. */
extern void toms_refuse(const TomsRefusal *refusal) __attribute__((noreturn));

#endif							/* TOMS_REASON_H */
