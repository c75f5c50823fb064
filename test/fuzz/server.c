/*
 * server.c - stands in for what the parsers of toms call of the server.
 *
 * Linked with each harness.  Memory comes from malloc() to the byte, so that the address
 * sanitizer sees each byte too many.  What is not here is not there: who calls it ends.
 */
#include "server.h"

#include <setjmp.h>

#include "base/secret.h"
#include "common/fe_memutils.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"

int			MyProcPid = 1;
Oid			MyDatabaseId = 5;
char	   *DataDir = NULL;
MemoryContext CurrentMemoryContext = NULL;

static sigjmp_buf refused;
static int	level;

/* memory ------------------------------------------------------------------------------ */

/* What one input has allocated. */
static void *allocated[65536];
static int	nallocated = 0;

void *
palloc(Size size)
{
	REQUIRE(nallocated < lengthof(allocated));
	return allocated[nallocated++] = malloc(size);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

/* The place of it among what is allocated. */
static int
place_of(void *pointer)
{
	int			at = nallocated - 1;

	while (at >= 0 && allocated[at] != pointer)
		at--;
	REQUIRE(at >= 0);
	return at;
}

void *
repalloc(void *pointer, Size size)
{
	int			at = place_of(pointer);

	return allocated[at] = realloc(pointer, size);
}

void
pfree(void *pointer)
{
	int			at = place_of(pointer);

	allocated[at] = allocated[--nallocated];
	free(pointer);
}

char *
pstrdup(const char *text)
{
	return strcpy(palloc(strlen(text) + 1), text);
}

char *
pnstrdup(const char *text, Size length)
{
	size_t		shorter = strnlen(text, length);
	char	   *copy = palloc(shorter + 1);

	memcpy(copy, text, shorter);
	copy[shorter] = '\0';
	return copy;
}

/* PostgreSQL's library for clients calls these. */
void *
pg_malloc(size_t size)
{
	return palloc(size);
}

void *
pg_malloc0(size_t size)
{
	return palloc0(size);
}

void *
pg_realloc(void *pointer, size_t size)
{
	return pointer ? repalloc(pointer, size) : palloc(size);
}

char *
pg_strdup(const char *text)
{
	return pstrdup(text);
}

void
pg_free(void *pointer)
{
	if (pointer)
		pfree(pointer);
}

List *
lappend(List *list, void *datum)
{
	ListCell   *cells;

	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
	}
	cells = palloc((list->length + 1) * sizeof(ListCell));
	if (list->length > 0)
		memcpy(cells, list->elements, list->length * sizeof(ListCell));
	cells[list->length++].ptr_value = datum;
	list->elements = cells;
	return list;
}

/* errors ------------------------------------------------------------------------------ */

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *file, int line, const char *function)
{
	REQUIRE(level == ERROR);
	siglongjmp(refused, 1);
}

int
errcode(int code)
{
	return 0;
}

int
errmsg(const char *format,...)
{
	return 0;
}

int
errdetail(const char *format,...)
{
	return 0;
}

int
errhint(const char *format,...)
{
	return 0;
}

int
errmsg_internal(const char *format,...)
{
	return 0;
}

/* secrets ----------------------------------------------------------------------------- */

void *
toms_secret_alloc(MemoryContext context, size_t size)
{
	return palloc(size);
}

void
toms_secret_wipe(void *bytes, size_t length)
{
	memset(bytes, 0, length);
}

/* the rest ---------------------------------------------------------------------------- */

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

bool
pg_verify_mbstr(int encoding, const char *text, int length, bool no_error)
{
	return pg_encoding_verifymbstr(encoding, text, length) == length;
}

void
run(void (*attempt) (const uint8 *input, size_t length), const uint8 *input, size_t length)
{
	if (sigsetjmp(refused, 0) == 0)
		attempt(input, length);
	while (nallocated > 0)
		free(allocated[--nallocated]);
}
