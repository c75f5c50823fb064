/*
 * definition.c - a digest of what a function does, which its label holds.
 *
 * Called by bind_purpose() when a function is bound, and by binding.c when it is about to be
 * called: a label stays on CREATE OR REPLACE FUNCTION, so whoever owns the function could
 * give it another body.  Names instead of numbers, since the label outlives a dump.
 */
#include "purpose/purpose_int.h"

#include "access/htup_details.h"
#include "base/crypto.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/proclang.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(toms_function_definition);

/* Each part with its length, so that no two definitions are written alike. */
static void
append_part(StringInfo text, const char *part)
{
	if (part)
		appendStringInfo(text, "%zu:%s", strlen(part), part);
	appendStringInfoChar(text, ';');
}

static char *
text_of(HeapTuple tuple, AttrNumber column)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(PROCOID, tuple, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static char *
settings_of(HeapTuple tuple)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proconfig, &isnull);

	return isnull ? NULL : OidOutputFunctionCall(F_ARRAY_OUT, value);
}

static char *
language_of(Oid language)
{
	HeapTuple	tuple = SearchSysCache1(LANGOID, ObjectIdGetDatum(language));
	char	   *name = HeapTupleIsValid(tuple) ? pstrdup(NameStr(((Form_pg_language) GETSTRUCT(tuple))->lanname)) : NULL;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return name;
}

static char *
write_definition(HeapTuple tuple)
{
	Form_pg_proc function = (Form_pg_proc) GETSTRUCT(tuple);
	StringInfoData text;

	initStringInfo(&text);
	append_part(&text, language_of(function->prolang));
	append_part(&text, text_of(tuple, Anum_pg_proc_prosrc));
	append_part(&text, text_of(tuple, Anum_pg_proc_probin));
	append_part(&text, settings_of(tuple));
	append_part(&text, function->provolatile == PROVOLATILE_IMMUTABLE ? "immutable" : NULL);
	append_part(&text, function->prosecdef ? GetUserNameFromId(function->proowner, true) : NULL);
	append_part(&text, GetUserNameFromId(function->proowner, true));
	return text.data;
}

char *
toms_purpose_definition(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	uint8		digest[TOMS_DIGEST_BYTES];
	char	   *text;
	char	   *hex;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	/* a parsed body holds numbers that another database does not know */
	if (!heap_attisnull(tuple, Anum_pg_proc_prosqlbody, NULL))
	{
		ReleaseSysCache(tuple);
		return NULL;
	}
	text = write_definition(tuple);
	ReleaseSysCache(tuple);
	toms_crypto_digest(digest, text, strlen(text), NULL, 0);
	hex = palloc(2 * TOMS_DIGEST_BYTES + 1);
	hex_encode((const char *) digest, TOMS_DIGEST_BYTES, hex);
	hex[2 * TOMS_DIGEST_BYTES] = '\0';
	return hex;
}

/* toms.function_definition(function) */
Datum
toms_function_definition(PG_FUNCTION_ARGS)
{
	char	   *definition = toms_purpose_definition(PG_GETARG_OID(0));

	if (definition == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(definition));
}
