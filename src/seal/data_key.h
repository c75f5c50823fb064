/*
 * data_key.h - the keys of values and of entries of the audit trail; part of seal.h.
 */
#ifndef TOMS_DATA_KEY_H
#define TOMS_DATA_KEY_H

#include "base/crypto.h"
#include "storage/lockdefs.h"

typedef struct TomsDataKey
{
	int64		id;
	Oid			relid;			/* the protected table: never a partition; toms.audit_entry */
	int32		month;			/* first day of the month of sealing, as a date */
	const char *tenant;
	const char *subject;
	const uint8 *bytes;			/* NULL: it has been destroyed */
} TomsDataKey;

extern void toms_data_key_init(void);

/*
 * The key of a value, or the one of this month for a new value, which is made if there is
 * none.  Valid until either is called again, or anything of the catalogue is looked up.
 */
extern const TomsDataKey *toms_data_key_find(int64 id); /* NULL: there is none */
extern const TomsDataKey *toms_data_key_for(Oid relid, const char *tenant, const char *subject);

/* The one that is not of a value, but of the tenant for life: it outlives its epoch. */
extern const TomsDataKey *toms_data_key_of_tenant(const char *tenant);

/* The number of the key that a sealed value was sealed with, as the row has it; 0: with none. */
extern int64 toms_data_key_of_value(Datum value);

/* Until the transaction ends: ShareLock to seal, ExclusiveLock to destroy keys of the tenant. */
extern void toms_data_key_lock(const char *tenant, LOCKMODE mode);
extern bool toms_data_key_try_lock(const char *tenant, LOCKMODE mode);	/* false: somebody has it */

/*
 * This process seals for the audit trail alone, for everybody in turn: where a key is there already it does not
 * wait for who is destroying keys of the tenant.  What was sealed with one of these is erased with it, as it is to be.
 */
extern void toms_data_key_without_waiting(void);

/* What a wrapped key is bound to: id, month, tenant, zero, subject. */
extern TomsBytes toms_data_key_binding(const TomsDataKey *key);

#endif							/* TOMS_DATA_KEY_H */
