/*
 * label.c - SECURITY LABEL FOR toms: grammar, and who may set one.
 *
 * Labels on tables and columns are the truth about what is protected, since pg_dump,
 * ALTER … RENAME and pg_upgrade carry them.  PostgreSQL calls toms_label_check() before
 * it writes a label; a dump restores labels before any row, so only the grammar is
 * tested here, never whether a category or purpose exists.
 *
 *   table   category=health,mode=enforce[,null_tenant=shared][,access=functions][,free_text=refuse|sealed|accept]
 *           [,read_audit=strict|asynchronous]
 *           [,had_rls[,had_force]]   (row security as it was before toms)
 *   column  tenant | subject | alias=N (an id of toms.subject_alias) | parent | parent_type |
 *           category=location[,optional]   (optional: takes values of tenants that have enabled it)
 *
 * Columns of sealed types have labels of a provider of their own, toms_seal, which outlive
 * changes of the protection: column=<id>, eight hexadecimal digits that stand in each value.
 */
#include "catalog/catalog.h"

#include "base/reason.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

static List *
split_label(const char *label)
{
	List	   *words;

	if (!SplitGUCList(pstrdup(label), ',', &words))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label \"%s\" is not a list of words", label)));
	return words;
}

bool
toms_label_get(const char *label, const char *key, char **value)
{
	size_t		length = strlen(key);
	ListCell   *cell;

	foreach(cell, split_label(label))
	{
		const char *word = lfirst(cell);

		if (strncmp(word, key, length) == 0 && (word[length] == '=' || word[length] == '\0'))
		{
			if (value)
				*value = pstrdup(word[length] == '=' ? word + length + 1 : "");
			return true;
		}
	}
	return false;
}

static bool
is_word(const char *text)
{
	return *text != '\0' && strlen(text) < NAMEDATALEN &&
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

static const char *const free_text_words[] = {
	[TOMS_FREE_TEXT_ACCEPT] = "accept",
	[TOMS_FREE_TEXT_SEALED] = "sealed",
	[TOMS_FREE_TEXT_REFUSE] = "refuse",
};

int
toms_free_text_parse(const char *word)
{
	for (int i = 0; i < lengthof(free_text_words); i++)
	{
		if (strcmp(word, free_text_words[i]) == 0)
			return i;
	}
	return -1;
}

const char *
toms_free_text_word(TomsFreeText free_text)
{
	return free_text_words[free_text];
}

static bool
table_word_ok(const char *word)
{
	if (strncmp(word, "category=", 9) == 0)
		return is_word(word + 9);
	if (strncmp(word, "free_text=", 10) == 0)
		return toms_free_text_parse(word + 10) >= 0;
	return strcmp(word, "mode=enforce") == 0 || strcmp(word, "mode=observe") == 0 ||
		strcmp(word, "read_audit=strict") == 0 || strcmp(word, "read_audit=asynchronous") == 0 ||
		strcmp(word, "null_tenant=shared") == 0 || strcmp(word, "access=functions") == 0 || strcmp(word, "had_rls") == 0 || strcmp(word, "had_force") == 0;
}

static bool
column_word_ok(const char *word)
{
	if (strncmp(word, "alias=", 6) == 0)
		return word[6] != '\0' && strlen(word + 6) <= 18 && strspn(word + 6, "0123456789") == strlen(word + 6);
	if (strncmp(word, "category=", 9) == 0)
		return is_word(word + 9);
	return strcmp(word, "tenant") == 0 || strcmp(word, "subject") == 0 || strcmp(word, "optional") == 0 ||
		strcmp(word, "parent") == 0 || strcmp(word, "parent_type") == 0;
}

static bool
is_table(Oid relid)
{
	char		kind = get_rel_relkind(relid);

	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_FOREIGN_TABLE;
}

static void
check_grammar(const char *label, bool column)
{
	ListCell   *cell;

	if (split_label(label) == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a label is empty"),
				 errhint("SECURITY LABEL … IS NULL removes it.")));
	foreach(cell, split_label(label))
	{
		if (!(column ? column_word_ok : table_word_ok) (lfirst(cell)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not a label that toms knows", (char *) lfirst(cell)),
					 errhint("Labels are set by toms.protect().")));
	}
}

static void
check_target(const ObjectAddress *object, const char *label)
{
	if (object->classId != RelationRelationId)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("toms labels tables, their columns, and functions")));
	if (!superuser())
	{
		TomsRefusal refusal = {.reason = TOMS_OFFICER_REQUIRED,.relid = object->objectId,
			.detail = "A table is labelled by toms.protect() and toms.unprotect(), which an officer may call.",
		.hint = "SELECT toms.grant_officer(current_user, 'admin'); by a superuser, then toms.protect()."};

		toms_refuse(&refusal);
	}
	if (label && !is_table(object->objectId))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("toms labels tables and their columns only")));
}

void
toms_label_check(const ObjectAddress *object, const char *label)
{
	check_target(object, label);
	if (label)
		check_grammar(label, object->objectSubId != 0);
	toms_catalog_forget();
}

void
toms_seal_label_check(const ObjectAddress *object, const char *label)
{
	check_target(object, label);
	if (label && (object->objectSubId == 0 || strncmp(label, "column=", 7) != 0 || strlen(label) != 15 ||
				  strspn(label + 7, "0123456789abcdef") != 8 || strtoul(label + 7, NULL, 16) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the label of a sealed column", label),
				 errhint("Labels are set by toms.protect().")));
	toms_catalog_forget();
}
