/*
 * name.h - how relations are named in messages, records and hints.
 */
#ifndef TOMS_NAME_H
#define TOMS_NAME_H

#include "postgres.h"

/* Qualified and quoted; the number where there is no such relation. Palloc'd. */
extern char *toms_relation_name(Oid relid);

#endif							/* TOMS_NAME_H */
