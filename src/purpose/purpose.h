/*
 * purpose.h - access functions: what runs inside of them runs for their purpose.
 *
 * toms.bind_purpose() labels a function with a purpose and a digest of its definition.  While
 * the function runs the purpose is in force, if the token holds it.
 */
#ifndef TOMS_PURPOSE_H
#define TOMS_PURPOSE_H

#include "postgres.h"

#include "catalog/objectaddress.h"
#include "fmgr.h"

extern void toms_purpose_init(void);

/* For needs_fmgr_hook: whether the function is bound; asked at each start of a plan that calls it. */
extern bool toms_purpose_is_bound(Oid function);

/* For fmgr_hook: around each call of a bound function. */
extern void toms_purpose_around_call(FmgrHookEventType event, FmgrInfo *function, Datum *call);

/* Checks that a SECURITY LABEL FOR toms may be set on a function, before it is written. */
extern void toms_purpose_label_check(const ObjectAddress *object, const char *label);

#endif							/* TOMS_PURPOSE_H */
