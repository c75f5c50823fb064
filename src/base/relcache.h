/*
 * relcache.h - who wants to know that a relation has changed.
 *
 * PostgreSQL has ten places for such callbacks, for all libraries together: toms takes one.
 */
#ifndef TOMS_BASE_RELCACHE_H
#define TOMS_BASE_RELCACHE_H

#include "postgres.h"

/* relid: InvalidOid when any may have changed.  Called while messages are taken in: it may look up nothing. */
typedef void (*TomsRelcacheCallback) (Oid relid);

/* To be called while the library is loaded. */
extern void toms_on_relation_change(TomsRelcacheCallback callback);

#endif							/* TOMS_BASE_RELCACHE_H */
