/*
 * binding.c - which functions are bound to which purpose: labels, and a cache of them.
 *
 *   function   purpose=absence_management,definition=<digest, see definition.c>
 *
 * toms_purpose_is_bound() is asked for every call of a function that is not PostgreSQL's own,
 * whenever a plan is started: it costs one look into an array.  A change of any function or
 * role throws the cache away.
 */
#include "purpose/purpose_int.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/reason.h"
#include "catalog/catalog.h"
#include "catalog/pg_proc.h"
#include "commands/seclabel.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct BindingEntry
{
	Oid			function;		/* hash key */
	TomsBinding binding;
} BindingEntry;

/* Functions that are not bound, by the last bits of their OIDs. */
#define UNBOUND_KNOWN 256
static Oid	unbound[UNBOUND_KNOWN];

static HTAB *bindings = NULL;
static uint64 changes = 1;		/* of functions and roles */

static void
function_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
	memset(unbound, 0, sizeof(unbound));
}

void
toms_purpose_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(BindingEntry)};

	bindings = hash_create("toms bound functions", 32, &control, HASH_ELEM | HASH_BLOBS);
	CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, function_callback, (Datum) 0);
}

static void
forget_bindings(void)
{
	HASH_SEQ_STATUS scan;
	BindingEntry *entry;

	hash_seq_init(&scan, bindings);
	while ((entry = hash_seq_search(&scan)) != NULL)
		hash_search(bindings, &entry->function, HASH_REMOVE, NULL);
}

static TomsBinding
read_binding(Oid function)
{
	TomsBinding binding = {false};
	ObjectAddress object;
	char	   *label;
	char	   *purpose;
	char	   *bound;
	char	   *definition;

	ObjectAddressSet(object, ProcedureRelationId, function);
	label = GetSecurityLabel(&object, "toms");
	if (label == NULL || !toms_label_get(label, "purpose", &purpose) || !toms_label_get(label, "definition", &bound))
		return binding;
	definition = toms_purpose_definition(function);
	binding.is_bound = true;
	binding.is_intact = definition && strcmp(definition, bound) == 0;
	strlcpy(binding.purpose, purpose, NAMEDATALEN);
	return binding;
}

/* What was overtaken by a change while it was read is not kept. */
TomsBinding
toms_purpose_binding(Oid function)
{
	static uint64 known = 0;
	BindingEntry *entry;
	TomsBinding binding;

	if (known != changes)
		forget_bindings();
	known = changes;
	entry = hash_search(bindings, &function, HASH_FIND, NULL);
	if (entry)
		return entry->binding;
	binding = read_binding(function);
	if (known != changes)
		return binding;
	if (binding.is_bound)
	{
		entry = hash_search(bindings, &function, HASH_ENTER, NULL);
		entry->binding = binding;
	}
	else
		unbound[function % UNBOUND_KNOWN] = function;
	return binding;
}

bool
toms_purpose_is_bound(Oid function)
{
	if (function < FirstNormalObjectId || unbound[function % UNBOUND_KNOWN] == function ||
		!OidIsValid(MyDatabaseId) || !IsTransactionState())
		return false;
	return toms_purpose_binding(function).is_bound;
}

/* Plans that have inlined the function are made anew. */
static void
invalidate_plans(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Relation	functions;

	if (!HeapTupleIsValid(tuple))
		return;
	functions = table_open(ProcedureRelationId, AccessShareLock);
	CacheInvalidateHeapTuple(functions, tuple, NULL);
	table_close(functions, AccessShareLock);
	ReleaseSysCache(tuple);
}

static bool
is_binding(const char *label)
{
	char	   *purpose;
	char	   *definition;

	return strncmp(label, "purpose=", 8) == 0 && toms_label_get(label, "purpose", &purpose) &&
		*purpose != '\0' && strlen(purpose) < NAMEDATALEN && toms_label_get(label, "definition", &definition) &&
		strlen(definition) == 64 && strspn(definition, "0123456789abcdef") == 64;
}

/* A dump brings labels before it brings purposes: whether one is excluded is asked at each use. */
void
toms_purpose_label_check(const ObjectAddress *object, const char *label)
{
	if (!superuser())
	{
		TomsRefusal refusal = {.reason = TOMS_OFFICER_REQUIRED,
			.detail = "A function is bound by toms.bind_purpose(), which an officer may call.",
		.hint = "SELECT toms.grant_officer(current_user, 'admin'); by a superuser, then toms.bind_purpose()."};

		toms_refuse(&refusal);
	}
	if (label && !is_binding(label))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the label of an access function", label),
				 errhint("Labels are set by toms.bind_purpose().")));
	invalidate_plans(object->objectId);
}
