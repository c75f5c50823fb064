/*
 * index.c - puts a row into the indexes of its table; see index.h.
 *
 * Called by audit for entries of the trail, and by seal for data keys.
 */
#include "base/index.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

void
toms_index_row(CatalogIndexState indexes, TupleTableSlot *slot)
{
	for (int i = 0; i < indexes->ri_NumIndices; i++)
	{
		Relation	index = indexes->ri_IndexRelationDescs[i];
		IndexInfo  *info = indexes->ri_IndexRelationInfo[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		/* one that is made CONCURRENTLY is empty at first, and not to be read */
		if (!info->ii_ReadyForInserts)
			continue;
		FormIndexDatum(info, slot, NULL, values, nulls);
		index_insert(index, values, nulls, &slot->tts_tid, indexes->ri_RelationDesc,
					 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
	}
}
