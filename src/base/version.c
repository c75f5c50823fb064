/*
 * version.c - whether the library knows the SQL of the database that it serves.
 *
 * Called by guard/gate.c for every statement on protected tables, which are closed where it does not.  What was found
 * is this backend's, and asked anew once a function has been made or replaced: an update of the extension does that,
 * on a standby too, and nothing else tells of a row of pg_extension.
 */
#include "base/version.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#define VERSION_BYTES 64

bool		toms_version_fits_still = false;

static bool asked = false;
static TomsVersionFit fit = TOMS_VERSION_FITS;
static char found[VERSION_BYTES] = "";

/* Of the extension in this database; false if it is not there. */
static bool
read_version(char version[VERSION_BYTES])
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;
	bool		isnull = true;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("toms"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
	{
		Datum		value = heap_getattr(row, Anum_pg_extension_extversion, RelationGetDescr(extensions), &isnull);

		if (!isnull)
			strlcpy(version, TextDatumGetCString(value), VERSION_BYTES);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return !isnull;
}

/* By their numbers, one after the other. */
static bool
is_older(const char *version, const char *other)
{
	char	   *rest;
	char	   *other_rest;

	while (*version && *other)
	{
		long		number = strtol(version, &rest, 10);
		long		other_number = strtol(other, &other_rest, 10);

		if (number != other_number)
			return number < other_number;
		if (*rest != '.' || *other_rest != '.')
			return *rest == '\0' && *other_rest == '.';
		version = rest + 1;
		other = other_rest + 1;
	}
	return false;
}

static TomsVersionFit
compare(const char *version)
{
	if (strcmp(version, TOMS_VERSION) == 0 || strcmp(version, TOMS_PREVIOUS) == 0)
		return TOMS_VERSION_FITS;
	return is_older(version, TOMS_VERSION) ? TOMS_VERSION_OLDER : TOMS_VERSION_NEWER;
}

TomsVersionFit
toms_version_fit(void)
{
	if (asked || !IsTransactionState())
		return fit;
	asked = true;				/* a message that comes meanwhile takes this back */
	PG_TRY();
	{
		fit = read_version(found) ? compare(found) : TOMS_VERSION_FITS;
	}
	PG_CATCH();
	{
		asked = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	toms_version_fits_still = asked && fit == TOMS_VERSION_FITS;
	return fit;
}

char *
toms_version_problem(void)
{
	return psprintf("The library is of version %s and knows the SQL of versions %s and %s; this database has that of version %s.",
					TOMS_VERSION, TOMS_PREVIOUS, TOMS_VERSION, found);
}

void
toms_version_forget(void)
{
	asked = false;
	toms_version_fits_still = false;
}

static void
function_callback(Datum arg, int cache, uint32 hash)
{
	toms_version_forget();
}

void
toms_version_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
}
