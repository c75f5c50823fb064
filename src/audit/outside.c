/*
 * outside.c - the log outside of the data directory: its place, and what a line is.
 *
 * Called by outside_write.c, and when the trail is verified.  The directory is checked at each use
 * as the keyring's is, and never repaired.
 */
#include "audit/outside.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "audit/outside_int.h"
#include "base/json.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define SIGNATURE_MEMBER ",\"signature\":\""
#define SIGNATURE_TEXT 86		/* of 64 bytes in base64url */

static char *outside_directory = NULL;

void
toms_outside_init(void)
{
	DefineCustomStringVariable("toms.outside",
							   "Directory of the log of what must not be undone unnoticed.",
							   "Outside the data directory, owned by the server's user, mode 0700.",
							   &outside_directory, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
}

bool
toms_outside_configured(void)
{
	return outside_directory != NULL && outside_directory[0] != '\0';
}

static bool
lies_below(const char *path, const char *directory)
{
	size_t		length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static const char *
fault_of(const char *directory, bool writing)
{
	char		real[PATH_MAX];
	char		data[PATH_MAX];
	struct stat st;

	if (directory[0] != '/')
		return "the path is not absolute";
	if (realpath(directory, real) == NULL || stat(real, &st) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "it is not a directory";
	if (st.st_uid != geteuid())
		return "it belongs to another user than the server's";
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return "others than its owner have access to it";
	if (realpath(DataDir, data) != NULL && lies_below(real, data))
		return "it lies inside the data directory";
	if (writing && access(real, W_OK | X_OK) < 0)
		return "the server cannot write into it";
	return NULL;
}

char *
toms_outside_problem(bool writing)
{
	const char *fault;

	if (!toms_outside_configured())
		return pstrdup("toms.outside is not set.");
	fault = fault_of(outside_directory, writing);
	return fault ? psprintf("\"%s\": %s", outside_directory, fault) : NULL;
}

void
toms_outside_refuse(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the log outside of the database cannot be used"),
			 errdetail("%s", problem),
			 errhint("toms.outside is a directory of the server's user with mode 0700 outside the data directory.")));
}

char *
toms_outside_dataset_name(const uint8 dataset[16])
{
	char	   *name = palloc(37);
	char	   *at = name;

	for (int i = 0; i < 16; i++)
		at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", dataset[i]);
	return name;
}

char *
toms_outside_path(const uint8 dataset[16])
{
	return psprintf("%s/%s.log", outside_directory, toms_outside_dataset_name(dataset));
}

const char *
toms_outside_directory(void)
{
	return outside_directory;
}

/* The dataset that a file is named after. */
static bool
read_name(const char *name, uint8 dataset[16])
{
	int			digits = 0;

	if (strlen(name) != 40 || strcmp(name + 36, ".log") != 0)
		return false;
	for (const char *at = name; at < name + 36; at++)
	{
		const char *hex = "0123456789abcdef";

		if (*at == '-')
			continue;
		if (strchr(hex, *at) == NULL || digits == 32)
			return false;
		dataset[digits / 2] = dataset[digits / 2] << 4 | (strchr(hex, *at) - hex);
		digits++;
	}
	return digits == 32;
}

bool
toms_outside_find(const uint8 *but, uint8 dataset[16])
{
	DIR		   *directory = AllocateDir(outside_directory);
	struct dirent *entry;
	bool		found = false;

	while (!found && (entry = ReadDir(directory, outside_directory)) != NULL)
	{
		TomsOutsideReader *reader = read_name(entry->d_name, dataset) ? toms_outside_read(dataset) : NULL;
		TomsOutsideLine line;

		found = reader && (but == NULL || memcmp(dataset, but, 16) != 0) && toms_outside_next(reader, &line) && line.whole &&
			line.system == GetSystemIdentifier() && line.database == MyDatabaseId;
		if (reader)
			toms_outside_end(reader);
	}
	FreeDir(directory);
	return found;
}

/* a line ---------------------------------------------------------------------------------- */

static bool
read_bytes(const TomsJsonItem *item, uint8 *bytes, size_t size)
{
	size_t		written;

	return toms_base64url_decode(item->text, strlen(item->text), bytes, size, &written) && written == size;
}

/* Numbers are written by us: nothing but digits. */
static bool
read_integer(const TomsJsonItem *item, uint64 *number)
{
	char	   *end;

	errno = 0;
	*number = strtou64(item->text, &end, 10);
	return errno == 0 && *end == '\0' && item->text[0] >= '0' && item->text[0] <= '9';
}

static bool
visit(void *arg, const TomsJsonItem *item)
{
	TomsOutsideLine *line = arg;
	const char *name = item->names[1];
	uint64		number = 0;

	if (item->depth != 1 || (item->event != TOMS_JSON_STRING && item->event != TOMS_JSON_NUMBER))
		return true;
	if (strcmp(name, "dataset") == 0)
		line->dataset = pstrdup(item->text);
	else if (strcmp(name, "type") == 0)
		line->type = pstrdup(item->text);
	else if (strcmp(name, "digest") == 0)
		return read_bytes(item, line->digest, sizeof(line->digest));
	else if (strcmp(name, "previous") == 0)
		return read_bytes(item, line->previous, sizeof(line->previous));
	else if (strcmp(name, "key") == 0)
		return read_bytes(item, line->key, sizeof(line->key));
	else if (strcmp(name, "signature") == 0)
		return read_bytes(item, line->signature, sizeof(line->signature));
	else if (strcmp(name, "n") == 0 || strcmp(name, "block") == 0 || strcmp(name, "timeline") == 0 || strcmp(name, "system") == 0 ||
			 strcmp(name, "database") == 0)
	{
		if (!read_integer(item, &number))
			return false;
		if (strcmp(name, "n") == 0)
			line->n = (int64) number;
		else if (strcmp(name, "block") == 0)
			line->block = (int64) number;
		else if (strcmp(name, "timeline") == 0)
			line->timeline = (int32) number;
		else if (strcmp(name, "database") == 0)
			line->database = (Oid) number;
		else
			line->system = number;
	}
	return true;
}

void
toms_outside_parse(const char *text, size_t length, TomsOutsideLine *line)
{
	size_t		tail = strlen(SIGNATURE_MEMBER) + SIGNATURE_TEXT + 2;

	memset(line, 0, sizeof(*line));
	line->text = text;
	line->length = length;
	if (length < tail || memcmp(text + length - tail, SIGNATURE_MEMBER, strlen(SIGNATURE_MEMBER)) != 0)
		return;
	line->signed_length = length - tail;
	line->whole = toms_json_walk(text, length, visit, line) == NULL && line->n > 0 && line->type && line->dataset;
}

bool
toms_outside_signed(const TomsOutsideLine *line)
{
	return line->whole && toms_crypto_verify(line->signature, line->text, line->signed_length, line->key);
}

/* reading --------------------------------------------------------------------------------- */

struct TomsOutsideReader
{
	FILE	   *file;
	bool		skips_blocks;
	char	   *buffer;			/* a line that is longer than this is read in pieces, none of which is a record */
	MemoryContext context;		/* of one line */
};

TomsOutsideReader *
toms_outside_read(const uint8 dataset[16])
{
	char	   *path = toms_outside_path(dataset);
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	TomsOutsideReader *reader;

	if (file == NULL && errno == ENOENT)
		return NULL;
	if (file == NULL)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
	reader = palloc(sizeof(TomsOutsideReader));
	reader->file = file;
	reader->skips_blocks = false;
	reader->buffer = palloc(TOMS_OUTSIDE_LINE_LIMIT + 1);
	reader->context = AllocSetContextCreate(CurrentMemoryContext, "toms line of the outside log", ALLOCSET_SMALL_SIZES);
	return reader;
}

void
toms_outside_skip_blocks(TomsOutsideReader *reader)
{
	reader->skips_blocks = true;
}

/* As toms_outside_add() writes it: {"n":17,"dataset":"…","type":"block",… */
static bool
is_block(const char *line)
{
	const char *dataset = strchr(line, ',');

	return dataset && strlen(dataset) > 65 && strncmp(dataset + 49, ",\"type\":\"block\"", 15) == 0;
}

/* False at the end of the file. */
static bool
read_line(TomsOutsideReader *reader, size_t *length)
{
	int			c = 0;

	*length = 0;
	while (*length < TOMS_OUTSIDE_LINE_LIMIT && (c = getc_unlocked(reader->file)) != EOF && c != '\n')
		reader->buffer[(*length)++] = (char) c;
	reader->buffer[*length] = '\0';
	return *length > 0 || c != EOF;
}

bool
toms_outside_next(TomsOutsideReader *reader, TomsOutsideLine *line)
{
	size_t		length;
	MemoryContext before;

	do
	{
		if (!read_line(reader, &length))
			return false;
	} while (reader->skips_blocks && is_block(reader->buffer));
	MemoryContextReset(reader->context);
	before = MemoryContextSwitchTo(reader->context);
	toms_outside_parse(reader->buffer, length, line);
	MemoryContextSwitchTo(before);
	return true;
}

void
toms_outside_end(TomsOutsideReader *reader)
{
	FreeFile(reader->file);
	MemoryContextDelete(reader->context);
	pfree(reader->buffer);
	pfree(reader);
}
