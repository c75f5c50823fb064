/*
 * catalogue.c - closed lists of codes: words for the client, numbers in sealed values.
 *
 * Called by type.c, plain.c and row.c.  A catalogue is kept whole once a code of it has been
 * asked for, until toms.code or toms.code_catalogue sends an invalidation.  A type modifier is the
 * catalogue's number: it is looked up by name only where somebody types the name, so that a dump
 * is restored before the catalogues are.
 */
#include "seal/seal_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/relcache.h"
#include "base/secret.h"
#include "catalog/namespace.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* By position: toms.code (catalogue, number, word), toms.code_catalogue (id, name). */
enum
{
	CODE_CATALOGUE = 1,
	CODE_NUMBER,
	CODE_WORD,
	CATALOGUE_ID = 1,
	CATALOGUE_NAME
};

typedef struct CodeByWord
{
	char		key[4 + TOMS_CODE_WORD_BYTES];	/* catalogue and word */
	int32		number;
} CodeByWord;

typedef struct CodeByNumber
{
	int32		catalogue;		/* with number: hash key */
	int32		number;
	char		word[TOMS_CODE_WORD_BYTES];
} CodeByNumber;

/* NULL: nothing is kept. */
static MemoryContext kept = NULL;
static HTAB *by_word;
static HTAB *by_number;
static List *kept_catalogues;
static Oid	code_table = InvalidOid;

static void
relcache_callback(Oid relid)
{
	if (!OidIsValid(relid) || relid == code_table)
		code_table = InvalidOid;
}

void
toms_catalogue_init(void)
{
	toms_on_relation_change(relcache_callback);
}

static Oid
table_named(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid("toms", false));

	if (!OidIsValid(relid))
		elog(ERROR, "table toms.%s is missing", name);
	return relid;
}

static void
start_keeping(void)
{
	HASHCTL		words = {.keysize = sizeof(((CodeByWord *) 0)->key),.entrysize = sizeof(CodeByWord)};
	HASHCTL		numbers = {.keysize = 2 * sizeof(int32),.entrysize = sizeof(CodeByNumber)};

	if (kept && OidIsValid(code_table))
		return;
	if (kept)
		MemoryContextDelete(kept);
	kept = AllocSetContextCreate(TopMemoryContext, "toms codes", ALLOCSET_DEFAULT_SIZES);
	words.hcxt = numbers.hcxt = kept;
	by_word = hash_create("toms codes by word", 64, &words, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	by_number = hash_create("toms codes by number", 64, &numbers, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	kept_catalogues = NIL;
	code_table = table_named("code");
}

static void
word_key(char *key, int32 catalogue, const char *word, int length)
{
	memset(key, 0, 4 + TOMS_CODE_WORD_BYTES);
	memcpy(key, &catalogue, sizeof(catalogue));
	memcpy(key + 4, word, Min(length, TOMS_CODE_WORD_BYTES));
}

static void
keep_code(int32 catalogue, int32 number, const text *word)
{
	char		key[4 + TOMS_CODE_WORD_BYTES];
	int32		numbers[2] = {catalogue, number};
	CodeByNumber *entry;

	if (VARSIZE_ANY_EXHDR(word) >= TOMS_CODE_WORD_BYTES)
		return;
	word_key(key, catalogue, VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
	((CodeByWord *) hash_search(by_word, key, HASH_ENTER, NULL))->number = number;
	entry = hash_search(by_number, numbers, HASH_ENTER, NULL);
	memset(entry->word, 0, sizeof(entry->word));
	memcpy(entry->word, VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
}

/* False if it has no codes: anybody can ask for any number. */
static bool
read_catalogue(int32 catalogue)
{
	bool		found = false;
	Relation	rel = table_open(code_table, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			index = get_relname_relid("code_pkey", RelationGetNamespace(rel));

	ScanKeyInit(&key, CODE_CATALOGUE, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(catalogue));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Datum		values[3];
		bool		nulls[3];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		keep_code(catalogue, DatumGetInt32(values[CODE_NUMBER - 1]), DatumGetTextPP(values[CODE_WORD - 1]));
		found = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Reading it can take in an invalidation: what was read then counts for this once. */
static void
load_catalogue(int32 catalogue)
{
	MemoryContext old;

	start_keeping();
	if (list_member_int(kept_catalogues, catalogue))
		return;
	if (!read_catalogue(catalogue))
		return;
	old = MemoryContextSwitchTo(kept);
	kept_catalogues = lappend_int(kept_catalogues, catalogue);
	MemoryContextSwitchTo(old);
}

int
toms_catalogue_by_name(const char *name)
{
	Relation	rel = table_open(table_named("code_catalogue"), AccessShareLock);
	Oid			index = get_relname_relid("code_catalogue_name_key", RelationGetNamespace(rel));
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;
	int			id = 0;

	ScanKeyInit(&key, CATALOGUE_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	if ((tuple = systable_getnext(scan)) != NULL)
		id = DatumGetInt32(heap_getattr(tuple, CATALOGUE_ID, RelationGetDescr(rel), &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no catalogue of codes \"%s\"", name),
				 errhint("SELECT toms.add_code_catalogue(%s, '{…}');", quote_literal_cstr(name))));
	return id;
}

TomsPlain
toms_code_bytes(int catalogue, const char *word, int length)
{
	char		key[4 + TOMS_CODE_WORD_BYTES];
	CodeByWord *code;
	uint16		bytes[2];
	TomsPlain	plain;

	load_catalogue(catalogue);
	word_key(key, catalogue, word, length);
	code = length > 0 && length < TOMS_CODE_WORD_BYTES ? hash_search(by_word, key, HASH_FIND, NULL) : NULL;
	toms_secret_wipe(key, sizeof(key));
	if (code == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("the value is not a code of the column's catalogue"),
				 errdetail("The catalogue has the number %d.", catalogue),
				 errhint("SELECT word FROM toms.code WHERE catalogue = %d; toms.add_codes() adds codes.", catalogue),
				 toms_hide_value()));
	plain.length = TOMS_CODE_BYTES;
	plain.bytes = palloc(plain.length);
	bytes[0] = pg_hton16((uint16) catalogue);
	bytes[1] = pg_hton16((uint16) code->number);
	memcpy(plain.bytes, bytes, sizeof(bytes));
	return plain;
}

Datum
toms_code_word(const uint8 *bytes)
{
	uint16		parts[2];
	int32		key[2];
	CodeByNumber *code;

	memcpy(parts, bytes, sizeof(parts));
	key[0] = pg_ntoh16(parts[0]);
	key[1] = pg_ntoh16(parts[1]);
	load_catalogue(key[0]);
	code = hash_search(by_number, key, HASH_FIND, NULL);
	if (code == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the catalogue of codes %d lacks the code of a sealed value", key[0]),
				 errhint("Restore toms.code: codes are added, never removed.")));
	return CStringGetTextDatum(code->word);
}
