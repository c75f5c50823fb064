/*
 * limit.h - whose rows a purpose does not reach, and what is not written about whom: restrictions of processing
 * (Art. 18 GDPR), objections and withdrawn consents (Art. 21, 7(3)).
 *
 * Asked by slice policy.  Cached per tenant until anything is configured; a tenant without a limit costs one look.
 */
#ifndef TOMS_CATALOG_LIMIT_H
#define TOMS_CATALOG_LIMIT_H

#include "postgres.h"

/* In the order in which they are told. */
typedef enum TomsLimit
{
	TOMS_LIMIT_NONE,
	TOMS_LIMIT_RESTRICTED,		/* for all purposes but some */
	TOMS_LIMIT_OBJECTED,		/* for this purpose */
	TOMS_LIMIT_OBJECTED_CATEGORY	/* to values of this category */
} TomsLimit;

/* What is asked about. */
typedef struct TomsLimitAsked
{
	Oid			relid;
	Oid			root;
	const char *tenant;
	const char *purpose;		/* NULL: none is in force */
	const char *category;		/* of what is to be written; NULL: rows are read */
} TomsLimitAsked;

/* Whether there is one in this database at all. */
extern bool toms_limits_exist(void);

/* Whether there is one of the tenant that can concern such rows. */
extern bool toms_limits_concern(const TomsLimitAsked *asked);

/* The limit on rows of a person, written as tokens write him. */
extern TomsLimit toms_limit_on(const TomsLimitAsked *asked, const char *subject);

/* How many persons there are whose rows are limited so. */
extern int	toms_limited_subjects(const TomsLimitAsked *asked, TomsLimit limit);

/* Forget them. */
extern void toms_limits_forget(void);

#endif							/* TOMS_CATALOG_LIMIT_H */
