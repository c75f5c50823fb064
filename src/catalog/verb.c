/*
 * verb.c - the words of messages and hints: verbs and relation names.
 */
#include "catalog/catalog.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const struct
{
	AclMode		bit;
	const char *name;
}			verbs[] = {
	{ACL_SELECT, "select"},
	{ACL_INSERT, "insert"},
	{ACL_UPDATE, "update"},
	{ACL_DELETE, "delete"},
};

AclMode
toms_verb_parse(const char *verb)
{
	for (int i = 0; i < lengthof(verbs); i++)
	{
		if (pg_strcasecmp(verb, verbs[i].name) == 0)
			return verbs[i].bit;
	}
	return 0;
}

char *
toms_verb_text(AclMode set)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(verbs); i++)
	{
		if (set & verbs[i].bit)
			appendStringInfo(&text, "%s%s", text.len ? ", " : "", verbs[i].name);
	}
	return text.data;
}

char *
toms_relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}
