/*
 * catalog_int.h - between the files of slice catalog.
 */
#ifndef TOMS_CATALOG_INT_H
#define TOMS_CATALOG_INT_H

#include "catalog/catalog.h"

/* Whether a relcache message for relid changes what was read from the tables. */
extern bool toms_config_concerns(Oid relid);

/* Forget the tables' OIDs. */
extern void toms_config_forget(void);

/* Whether an index of a table has any row. */
extern bool toms_config_any(TomsConfigTable table);

/* Permissions, parents, alias and row labels of a relation, into the current memory context. */
extern void toms_config_read(TomsRelation *relation);

/* For arrays of configuration: without nulls; room for one more element, by doubling. */
extern char **toms_text_array(Datum array, int *count);
extern char **toms_name_array(Datum array, int *count);
extern void *toms_grow(void *array, int count, Size size);

/* Columns of sealed types, with or without a label, into the current memory context. */
extern int	toms_read_sealed_columns(Oid relid, TomsSealedColumn **columns);

extern void toms_purposes_init(void);
extern void toms_holds_init(void);

/* Forget which categories are enabled. */
extern void toms_enabled_forget(void);

/* Forget the types' OIDs. */
extern void toms_sealed_forget(void);

#endif							/* TOMS_CATALOG_INT_H */
