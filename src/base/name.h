/*
 * name.h - how relations and functions are named in messages, records and hints.
 *
 * What is recorded is looked for by its name later: so names do not depend on quote_all_identifiers, which a client may set.
 */
#ifndef TOMS_NAME_H
#define TOMS_NAME_H

#include "postgres.h"

/* Qualified, and quoted where they must be.  Palloc'd. */
extern char *toms_relation_name(Oid relid); /* the number where there is no such relation */
extern char *toms_function_name(Oid function);
extern char *toms_qualified_name(const char *schema, const char *name);

#endif							/* TOMS_NAME_H */
