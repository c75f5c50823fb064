/*
 * name.c - see name.h.  Called wherever a relation or function is named; reads syscaches only.
 */
#include "base/name.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

char *
toms_qualified_name(const char *schema, const char *name)
{
	bool		all = quote_all_identifiers;
	char	   *text;

	quote_all_identifiers = false;
	PG_TRY();
	{
		text = quote_qualified_identifier(schema, name);
	}
	PG_FINALLY();
	{
		quote_all_identifiers = all;
	}
	PG_END_TRY();
	return text;
}

char *
toms_relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	return toms_qualified_name(get_namespace_name(get_rel_namespace(relid)), name);
}

char *
toms_function_name(Oid function)
{
	bool		all = quote_all_identifiers;
	char	   *text;

	quote_all_identifiers = false;
	PG_TRY();
	{
		text = format_procedure_qualified(function);
	}
	PG_FINALLY();
	{
		quote_all_identifiers = all;
	}
	PG_END_TRY();
	return text;
}
