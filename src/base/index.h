/*
 * index.h - the indexes of a row that C has written into a table of toms itself.
 *
 * CatalogTupleInsert() is for catalogs of PostgreSQL: it takes no table with a partial index.
 */
#ifndef TOMS_BASE_INDEX_H
#define TOMS_BASE_INDEX_H

#include "postgres.h"
#include "catalog/indexing.h"

/* indexes: of CatalogOpenIndexes(); what their conditions ask must hold for the row. */
extern void toms_index_row(CatalogIndexState indexes, TupleTableSlot *slot);

#endif							/* TOMS_BASE_INDEX_H */
