/*
 * catalog_int.h - between the files of slice catalog.
 */
#ifndef TOMS_CATALOG_INT_H
#define TOMS_CATALOG_INT_H

#include "catalog/catalog.h"

/* The tables of schema toms that the cache reads. */
typedef enum TomsConfigTable
{
	TOMS_CONFIG_TENANT,
	TOMS_CONFIG_PERMISSION,
	TOMS_CONFIG_PARENT,
	TOMS_CONFIG_SUBJECT_ALIAS,
	TOMS_CONFIG_TABLES
} TomsConfigTable;

/* Whether a relcache message for relid changes what was read from the tables. */
extern bool toms_config_concerns(Oid relid);

/* Forget the tables' OIDs. */
extern void toms_config_forget(void);

/* OID of a table; InvalidOid where the extension is not installed. */
extern Oid	toms_config_table(TomsConfigTable table);

/*
 * Call "row" for each row whose key column (tenant; relation; id) equals key.  The values
 * live until the scan ends.
 */
typedef void (*TomsConfigRow) (const Datum *values, const bool *nulls, void *answer);
extern void toms_config_scan(TomsConfigTable table, Datum key, TomsConfigRow row, void *answer);

/* Permissions, parents, alias and row labels of a relation, into the current memory context. */
extern void toms_config_read(TomsRelation *relation);

#endif							/* TOMS_CATALOG_INT_H */
