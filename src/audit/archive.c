/*
 * archive.c - writes a partition of the trail to a file that toms-verify checks without a database.
 *
 * Called by toms.archive_audit().  doc/trail-format.md has the format.  The file is complete and on
 * disk under its name before the partition goes, which may still be rolled back: the same is
 * written again then.
 */
#include "audit/retire.h"

#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_int.h"
#include "audit/dataset.h"
#include "base/debug_point.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(toms_archive_audit_partition);
PG_FUNCTION_INFO_V1(toms_check_archive_directory);
PG_FUNCTION_INFO_V1(toms_audit_bytes);

typedef struct Archive
{
	FILE	   *file;
	const char *path;			/* while it is written */
	StringInfoData line;
	uint8		sum[TOMS_HASH_BYTES];
	int64		blocks;
	int64		entries;
} Archive;

/* directory ------------------------------------------------------------------------------- */

static void
refuse_directory(const char *directory, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("archives cannot be written to \"%s\"", directory),
			 errdetail("%s", detail)));
}

/* The same as COPY TO a file asks for. */
static void
check_privilege(void)
{
	if (!has_privs_of_role(GetOuterUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser or have privileges of the pg_write_server_files role to write archives"),
				 errhint("GRANT pg_write_server_files TO …;")));
}

/* Without links, so that it is seen where it lies. */
static char *
checked_directory(const char *directory)
{
	char	   *real;
	char	   *data;
	char	   *result;
	struct stat status;

	check_privilege();
	if (!is_absolute_path(directory))
		refuse_directory(directory, "It is not an absolute path.");
	real = realpath(directory, NULL);
	if (real == NULL || stat(real, &status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s\": %m", directory)));
	if (!S_ISDIR(status.st_mode))
		refuse_directory(directory, "It is not a directory.");
	data = realpath(DataDir, NULL);
	if (data == NULL || path_is_prefix_of_path(data, real))
		refuse_directory(directory, "It lies in the data directory.");
	result = pstrdup(real);
	free(data);
	free(real);
	return result;
}

/* toms.check_archive_directory(directory): before anything is done. */
Datum
toms_check_archive_directory(PG_FUNCTION_ARGS)
{
	(void) checked_directory(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* lines ------------------------------------------------------------------------------------ */

static void
check_written(const Archive *archive, bool written)
{
	if (!written)
	{
		int			reason = errno;

		(void) unlink(archive->path);
		errno = reason;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", archive->path)));
	}
}

/* The line that has been put together. */
static void
end_line(Archive *archive)
{
	StringInfoData summed;

	initStringInfo(&summed);
	appendBinaryStringInfo(&summed, (char *) archive->sum, TOMS_HASH_BYTES);
	appendBinaryStringInfo(&summed, archive->line.data, archive->line.len);
	toms_crypto_sha256(archive->sum, summed.data, summed.len);
	pfree(summed.data);
	appendStringInfoChar(&archive->line, '\n');
	errno = 0;
	check_written(archive, fwrite(archive->line.data, 1, archive->line.len, archive->file) == (size_t) archive->line.len);
	resetStringInfo(&archive->line);
}

static void
say_bytes(Archive *archive, const char *name, TomsBytes bytes)
{
	char	   *text = toms_base64url_encode(bytes.bytes, bytes.length);

	appendStringInfo(&archive->line, ",\"%s\":\"%s\"", name, text);
	pfree(text);
}

static void
write_entry(Archive *archive, const TomsRetiredBlock *block, const TomsRetiredEntry *entry)
{
	uint8		salt[TOMS_SALT_BYTES];

	toms_entry_salt(salt, block->secret, entry->id);
	appendStringInfo(&archive->line, "{\"type\":\"entry\",\"block\":" INT64_FORMAT ",\"index\":" UINT64_FORMAT, block->number, entry->index);
	say_bytes(archive, "salt", (TomsBytes) {salt, sizeof(salt)});
	say_bytes(archive, "entry", entry->bytes);
	appendStringInfoChar(&archive->line, '}');
	end_line(archive);
}

static void
write_subtree(Archive *archive, const TomsRetiredBlock *block, const TomsSubtree *subtree)
{
	appendStringInfo(&archive->line, "{\"type\":\"hash\",\"block\":" INT64_FORMAT ",\"start\":" UINT64_FORMAT ",\"size\":" UINT64_FORMAT,
					 block->number, subtree->start, subtree->size);
	say_bytes(archive, "hash", (TomsBytes) {subtree->hash, TOMS_HASH_BYTES});
	appendStringInfoChar(&archive->line, '}');
	end_line(archive);
}

static void
write_block(void *arg, const TomsRetiredBlock *block)
{
	Archive    *archive = arg;
	int			subtree = 0;

	CHECK_FOR_INTERRUPTS();
	appendStringInfoString(&archive->line, "{\"type\":\"block\"");
	say_bytes(archive, "header", block->header);
	say_bytes(archive, "signature", block->signature);
	say_bytes(archive, "key", block->key);
	appendStringInfoChar(&archive->line, '}');
	end_line(archive);
	for (int64 i = 0; i < block->count; i++)
	{
		for (; subtree < block->cover.count && block->cover.found[subtree].start < block->entries[i].index; subtree++)
			write_subtree(archive, block, &block->cover.found[subtree]);
		write_entry(archive, block, &block->entries[i]);
	}
	for (; subtree < block->cover.count; subtree++)
		write_subtree(archive, block, &block->cover.found[subtree]);
	archive->blocks++;
	archive->entries += block->count;
}

static void
write_head(Archive *archive, const char *dataset, char kind, TimestampTz since, TimestampTz until)
{
	appendStringInfo(&archive->line, "{\"type\":\"archive\",\"version\":1,\"dataset\":\"%s\",\"kind\":\"%c\",\"since\":\"%s\",\"until\":\"%s\",\"at\":\"%s\"}",
					 dataset, kind, toms_iso_time(since), toms_iso_time(until), toms_iso_time(GetCurrentTimestamp()));
	end_line(archive);
}

static void
write_end(Archive *archive)
{
	const uint8 *seed;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		signature[TOMS_SIGNATURE_BYTES];

	toms_keyring_create("audit");
	seed = toms_keyring_seed("audit");
	toms_crypto_public_key(key, seed);
	appendStringInfo(&archive->line, "{\"type\":\"end\",\"blocks\":" INT64_FORMAT ",\"entries\":" INT64_FORMAT, archive->blocks, archive->entries);
	say_bytes(archive, "sum", (TomsBytes) {archive->sum, TOMS_HASH_BYTES});
	say_bytes(archive, "key", (TomsBytes) {key, sizeof(key)});
	toms_crypto_sign(signature, archive->line.data, archive->line.len, seed);
	say_bytes(archive, "signature", (TomsBytes) {signature, sizeof(signature)});
	appendStringInfoChar(&archive->line, '}');
	end_line(archive);
}

/* the file --------------------------------------------------------------------------------- */

static FILE *
open_file(const char *path)
{
	FILE	   *file = AllocateFile(path, PG_BINARY_W);

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	return file;
}

static void
write_all(Archive *archive, Oid partition)
{
	pg_uuid_t	dataset;
	HeapTuple	row;
	TupleDesc	columns;
	bool		isnull;
	Datum		name = CStringGetTextDatum(get_rel_name(partition));

	if (!toms_dataset_get(dataset.data))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the audit trail has not been sealed"),
				 errhint("SELECT toms.seal_audit();")));
	if (SPI_execute_with_args("SELECT k.letter, p.since, p.until FROM toms.audit_partitions p JOIN toms.audit_kinds() k ON k.kind = p.kind WHERE p.partition = $1",
							  1, (Oid[]) {TEXTOID}, &name, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the partitions of the audit trail");
	row = SPI_tuptable->vals[0];
	columns = SPI_tuptable->tupdesc;
	write_head(archive, DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&dataset))), DatumGetChar(SPI_getbinval(row, columns, 1, &isnull)),
			   DatumGetTimestampTz(SPI_getbinval(row, columns, 2, &isnull)), DatumGetTimestampTz(SPI_getbinval(row, columns, 3, &isnull)));
	(void) toms_retire_walk(partition, true, write_block, archive);
	write_end(archive);
}

/* What is not complete does not stay. */
static void
write_file(const char *path, Oid partition)
{
	Archive		archive = {.path = psprintf("%s.tmp", path)};

	initStringInfo(&archive.line);
	archive.file = open_file(archive.path);
	PG_TRY();
	{
		write_all(&archive, partition);
	}
	PG_CATCH();
	{
		(void) unlink(archive.path);
		PG_RE_THROW();
	}
	PG_END_TRY();
	check_written(&archive, fflush(archive.file) == 0 && pg_fsync(fileno(archive.file)) == 0);
	check_written(&archive, FreeFile(archive.file) == 0);
	TOMS_DEBUG_POINT("archive-before-rename");
	(void) durable_rename(archive.path, path, ERROR);
	TOMS_DEBUG_POINT("archive-after-rename");
}

/* toms.archive_audit_partition(partition, directory): name of the file. */
Datum
toms_archive_audit_partition(PG_FUNCTION_ARGS)
{
	Oid			partition = PG_GETARG_OID(0);
	char	   *directory = checked_directory(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	char	   *file;
	pg_uuid_t	dataset;

	toms_retire_lock(partition);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	memset(&dataset, 0, sizeof(dataset));
	(void) toms_dataset_get(dataset.data);
	file = SPI_palloc(MAXPGPATH);
	snprintf(file, MAXPGPATH, "%s.%s.jsonl", DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&dataset))), get_rel_name(partition));
	write_file(psprintf("%s/%s", directory, file), partition);
	SPI_finish();
	PopActiveSnapshot();
	(void) toms_prune_partition(partition, file);
	PG_RETURN_TEXT_P(cstring_to_text(file));
}

/* toms.audit_bytes(columns of an entry): those that stand for it. */
Datum
toms_audit_bytes(PG_FUNCTION_ARGS)
{
	Datum		values[TOMS_ENTRY_NATTS];
	bool		nulls[TOMS_ENTRY_NATTS];
	TomsEntry	entry;
	Size		size;
	bytea	   *result;

	for (int i = 0; i < TOMS_ENTRY_NATTS; i++)
	{
		nulls[i] = PG_ARGISNULL(i);
		values[i] = nulls[i] ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	entry = toms_entry_of_row(values, nulls);
	size = toms_entry_encoded_size(&entry);
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	toms_entry_encode_to(&entry, (uint8 *) VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}
