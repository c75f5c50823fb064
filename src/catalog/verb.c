/*
 * verb.c - verbs by name: select, insert, update, delete.
 */
#include "catalog/catalog.h"

#include "lib/stringinfo.h"

const AclMode toms_verbs[TOMS_VERB_COUNT] = {ACL_SELECT, ACL_INSERT, ACL_UPDATE, ACL_DELETE};

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
