/*
 * name.c - see name.h.  Called wherever a relation is named; reads syscaches only.
 */
#include "base/name.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

char *
toms_relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}
