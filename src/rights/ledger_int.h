/*
 * ledger_int.h - the erasure ledger, between the files of slice rights that write, read and settle it.
 */
#ifndef TOMS_LEDGER_INT_H
#define TOMS_LEDGER_INT_H

#include "postgres.h"

#include "base/crypto.h"
#include "utils/uuid.h"

/* What a line of type "erasure" says; also what is handed to the background worker that writes it. */
typedef struct TomsLedgerIntent
{
	pg_uuid_t	id;
	int64		erasure;
	char		kind[16];
	char		category[NAMEDATALEN];	/* empty: of none */
	bool		has_subject;
	uint8		check[TOMS_DIGEST_BYTES];	/* keyed hashes, as the next: of nobody, to know the key again */
	uint8		tenant[TOMS_DIGEST_BYTES];
	uint8		subject[TOMS_DIGEST_BYTES];
	uint64		xid;
	uint64		system;
	int32		timeline;
	char		again[40];		/* which line this replays; empty: none */
} TomsLedgerIntent;

#define TOMS_LEDGER_KEY "ledger"

/* ledger_line.c: with a key of the keyring, which must be there; "tenant" may be empty, "subject" NULL. */
extern void toms_ledger_hash(uint8 hash[TOMS_DIGEST_BYTES], const char *tenant, const char *subject);
extern void toms_ledger_refuse_without_key(void) __attribute__((noreturn));

/* The members of such a line. */
extern char *toms_ledger_intent_members(const TomsLedgerIntent *intent);

#endif							/* TOMS_LEDGER_INT_H */
