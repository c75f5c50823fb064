/*
 * seal.h - health values as ciphertext: the sealed types, and the keys of their values.
 *
 * A value that a client writes is pending: sealed under a key that lives as long as the
 * server.  The trigger of a protected table seals it anew under a data key of the row's
 * tenant, subject, table and month; only then is it worth anything.  toms.reveal() opens it.
 */
#ifndef TOMS_SEAL_H
#define TOMS_SEAL_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "seal/data_key.h"

extern void toms_seal_init(void);

/* Shared memory: the key of pending values. */
extern Size toms_seal_shmem_size(void);
extern void toms_seal_shmem_init(bool found, void *area);

/*
 * Around ALTER TABLE, and before DROP: refuse what would write values without binding them to
 * their rows, or drop the extension while columns hold some; bind new columns.
 */
extern void toms_seal_before_alter(Oid relid, AlterTableStmt *alter);
extern void toms_seal_after_alter(Oid relid, const AlterTableStmt *alter);
extern void toms_seal_before_rename(Oid relid, const char *column);
extern void toms_seal_before_index(Oid relid, const IndexStmt *index);
extern void toms_seal_before_drop(const DropStmt *drop);
extern void toms_seal_before_drop_owned(const DropOwnedStmt *drop);

/* A view that toms.create_plain_view() made: its trigger cannot tell a conflict. */
#define TOMS_PLAIN_VIEW_TRIGGER "toms_plain_view"
extern bool toms_seal_is_plain_view(Oid relid);

#endif							/* TOMS_SEAL_H */
