/*
 * gate.h - whether the protected tables of this database may be used at all; part of guard.h.
 *
 * They are not where a restored backup brought back what was erased, where that cannot be told, and on a node that is
 * not one of those named outside of the data directory; nor where the library does not know
 * the SQL of the database, which each backend finds out for itself.  Who tells is slice rights (toms_gate_judge); what it said is
 * kept in shared memory, so that a statement reads one word.
 */
#ifndef TOMS_GATE_H
#define TOMS_GATE_H

#include "postgres.h"

#include "base/version.h"

typedef enum TomsGate
{
	TOMS_GATE_UNKNOWN,			/* nobody has looked since the server started, or something has changed */
	TOMS_GATE_OPEN,
	TOMS_GATE_RESTORED,			/* the log outside tells of erasures that are not there */
	TOMS_GATE_LEDGER,			/* it is not there itself, or not to be trusted */
	TOMS_GATE_FOREIGN,			/* this is not a node that works with this data */
	TOMS_GATE_VERSION			/* the library does not know the SQL of this database */
} TomsGate;

#define TOMS_GATE_PROBLEM_BYTES 256

/* Set by slice rights: looks, in a transaction; why it is not open goes into "problem". */
extern TomsGate (*toms_gate_judge) (char problem[TOMS_GATE_PROBLEM_BYTES]);

extern const volatile uint32 *toms_gate_word;	/* of this database */
extern TomsGate toms_gate_look(void);	/* as it is, or has just been found */

static inline bool
toms_gate_is_open(void)
{
	return (toms_version_fits_still && *toms_gate_word == TOMS_GATE_OPEN) || toms_gate_look() == TOMS_GATE_OPEN;
}

/* This node, or this library, is not to work with the data; as far as it is known: outside of a transaction nobody looks. */
extern bool toms_gate_is_foreign(void);

/* What is known may have changed: at once, or when this transaction has committed. */
extern void toms_gate_forget(void);
extern void toms_gate_forget_at_commit(void);

/* What this transaction does passes; until it is taken back, or the (sub)transaction ends. */
extern void toms_gate_pass(bool on);
extern bool toms_gate_is_passed(void);

extern void toms_gate_init(void);
extern Size toms_gate_shmem_size(void);
extern void toms_gate_shmem_init(bool found, void *area);

/* For check.c: the tables are closed: whether this passes all the same, else the error. */
extern bool toms_guard_gate_lets_through(bool restoring);
extern void toms_guard_refuse_closed(Oid relid) __attribute__((noreturn));

#endif							/* TOMS_GATE_H */
